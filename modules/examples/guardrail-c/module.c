// Connects the policy to the host. Start here: `exports_arcllm_llm_llm_provider_blocking_invoke` is the module.

#include <stdlib.h>
#include <string.h>

#include "module_blocking.h"
#include "settings.h"

// The names of the bindings, shorter.
typedef module_blocking_string_t string;
typedef arcllm_llm_types_own_request_t own_request;
typedef arcllm_llm_types_own_response_t own_response;
typedef arcllm_llm_types_error_t error;

// The host calls `configure` once for each instance, before any call.
static struct settings settings;

// Copies a text. What a function returns is freed by the bindings.
static string copy(const char *text) {
  string copied;
  module_blocking_string_dup(&copied, text);
  return copied;
}

void exports_arcllm_llm_module_describe(exports_arcllm_llm_module_description_t *description) {
  memset(description, 0, sizeof *description);
  description->name = copy("guardrail");
  description->version = copy("0.1.0");
  description->kind = copy("transformer");
  // It refuses calls.
  description->behavior.ptr = calloc(1, sizeof(string));
  description->behavior.len = 1;
  description->behavior.ptr[0] = copy("answers-itself");
  description->config_schema = copy(SCHEMA);
}

bool exports_arcllm_llm_module_configure(string *config, exports_arcllm_llm_module_list_config_error_t *errors) {
  struct mistake mistake;
  bool is_right = read_settings((const char *)config->ptr, config->len, &settings, &mistake);
  module_blocking_string_free(config);
  if (is_right) return true;
  errors->ptr = calloc(1, sizeof *errors->ptr);
  errors->len = 1;
  errors->ptr[0].key = copy(mistake.key);
  errors->ptr[0].message = copy(mistake.message);
  errors->ptr[0].expected = copy(mistake.expected);
  return false;
}

void exports_arcllm_llm_module_worst_case(exports_arcllm_llm_module_target_t *inner,
                                          exports_arcllm_llm_module_list_target_t *others,
                                          exports_arcllm_llm_module_cost_t *cost) {
  *cost = inner->most;
  exports_arcllm_llm_module_target_free(inner);
  exports_arcllm_llm_module_list_target_free(others);
}

void exports_arcllm_llm_llm_provider_blocking_name(string *name) { arcllm_llm_llm_provider_blocking_name(name); }

bool exports_arcllm_llm_llm_provider_blocking_validate_config(string *problem) {
  return arcllm_llm_llm_provider_blocking_validate_config(problem);
}

// Tells whether a user wrote a forbidden word.
static bool is_forbidden(own_request request) {
  bool found = false;
  arcllm_llm_types_request_parts_t parts;
  arcllm_llm_types_method_request_parts(arcllm_llm_types_borrow_request(request), &parts);
  for (size_t at = 0; at < parts.messages.len; at++) {
    arcllm_llm_types_message_t *message = &parts.messages.ptr[at];
    if (message->role.tag != ARCLLM_LLM_TYPES_ROLE_USER) continue;
    for (size_t block = 0; block < message->content.len; block++) {
      arcllm_llm_types_content_block_t *content = &message->content.ptr[block];
      if (content->tag != ARCLLM_LLM_TYPES_CONTENT_BLOCK_TEXT) continue;
      string *text = &content->val.text.text;
      found = found || refuses(&settings, (const char *)text->ptr, text->len);
    }
  }
  arcllm_llm_types_request_parts_free(&parts);
  return found;
}

// Makes an answer of the module's own. No model is asked, and nothing is paid.
static own_response refusal(own_request request) {
  arcllm_llm_types_borrow_request_t borrowed = arcllm_llm_types_borrow_request(request);
  arcllm_llm_types_content_block_t block = {.tag = ARCLLM_LLM_TYPES_CONTENT_BLOCK_TEXT};
  block.val.text = (arcllm_llm_types_text_t){0};
  module_blocking_string_set(&block.val.text.text, settings.message);
  arcllm_llm_types_response_parts_t parts = {0};
  parts.content.ptr = &block;
  parts.content.len = 1;
  parts.stop_reason.tag = ARCLLM_LLM_TYPES_STOP_REASON_REFUSAL;
  arcllm_llm_types_method_request_model(borrowed, &parts.model);
  arcllm_llm_types_method_request_provider(borrowed, &parts.provider);
  own_response response = arcllm_llm_types_constructor_response(borrowed, &parts);
  module_blocking_string_free(&parts.model);
  module_blocking_string_free(&parts.provider);
  return response;
}

bool exports_arcllm_llm_llm_provider_blocking_invoke(own_request request, own_response *response, error *failure) {
  // It takes the request.
  if (!is_forbidden(request)) return arcllm_llm_llm_provider_blocking_invoke(request, response, failure);
  *response = refusal(request);
  arcllm_llm_types_request_drop_own(request);
  return true;
}
