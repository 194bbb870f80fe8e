// Package module connects the policy to the host. Its functions are the exports of the world in module.toml: Invoke is the
// module.
package module

import (
	"runtime/debug"

	inner "guardrail-module/bindings/arcllm_llm_llm_provider_blocking"
	"guardrail-module/bindings/arcllm_llm_module"
	types "guardrail-module/bindings/arcllm_llm_types"
	wit "guardrail-module/bindings/wit/types"
	"guardrail-module/policy"
)

// The host calls Configure once for each instance, before any call.
var current policy.Policy

// The garbage collector calls the host, which it must not do while the host hands something over. So it runs after each
// call, and never by itself.
func init() { debug.SetGCPercent(-1) }

func Describe() arcllm_llm_module.Description {
	return arcllm_llm_module.Description{
		Name:    "guardrail",
		Version: "0.1.0",
		Kind:    "transformer",
		// It refuses calls, and gets whole answers, since the toolchain imports what looks into answers.
		Behavior:     []string{"answers-itself", "holds-answers-back"},
		ConfigSchema: policy.Schema,
	}
}

func Configure(config string) wit.Result[wit.Unit, []arcllm_llm_module.ConfigError] {
	read, mistake := policy.Read(config)
	if mistake != nil {
		refused := arcllm_llm_module.ConfigError{Key: mistake.Key, Message: mistake.Message, Expected: mistake.Expected}
		return wit.Err[wit.Unit]([]arcllm_llm_module.ConfigError{refused})
	}
	current = read
	return wit.Ok[wit.Unit, []arcllm_llm_module.ConfigError](wit.Unit{})
}

func WorstCase(inner arcllm_llm_module.Target, others []arcllm_llm_module.Target) arcllm_llm_module.Cost {
	return inner.Most
}

func Name() string { return inner.Name() }

func ValidateConfig() wit.Result[wit.Unit, string] { return inner.ValidateConfig() }

func Invoke(request *types.Request) wit.Result[*types.Response, types.Error] {
	defer debug.FreeOSMemory()
	if !current.Refuses(userTexts(request)) {
		return inner.Invoke(request)
	}
	defer request.Drop()
	return wit.Ok[*types.Response, types.Error](refusal(request, current.Message))
}

func userTexts(request *types.Request) []string {
	var texts []string
	for _, message := range request.Parts().Messages {
		if message.Role.Tag() != types.RoleUser {
			continue
		}
		for _, block := range message.Content {
			if block.Tag() == types.ContentBlockText {
				texts = append(texts, block.Text().Text)
			}
		}
	}
	return texts
}

// refusal makes an answer of the module's own. No model is asked, and nothing is paid.
func refusal(request *types.Request, text string) *types.Response {
	return types.MakeResponse(request, types.ResponseParts{
		Content:    []types.ContentBlock{types.MakeContentBlockText(types.Text{Text: text})},
		StopReason: types.MakeStopReasonRefusal(),
		Model:      request.Model(),
		Provider:   request.Provider(),
	})
}
