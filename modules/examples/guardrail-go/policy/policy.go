// Package policy decides what is refused. Plain Go, so that it can be tested without WebAssembly.
package policy

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Schema is the JSON Schema of the settings.
const Schema = `{
  "type": "object",
  "properties": {
    "forbidden": {
      "type": "array",
      "items": { "type": "string", "minLength": 1 },
      "default": ["password"],
      "description": "Words that no user may write, in upper or lower case: a list of strings."
    },
    "message": {
      "type": "string",
      "default": "I cannot help with that.",
      "description": "What a refused user reads: a string."
    }
  },
  "additionalProperties": false
}`

// Policy says what is refused.
type Policy struct {
	// Message is what a refused user reads.
	Message string
	words   *regexp.Regexp
}

// Mistake is an error about a setting.
type Mistake struct{ Key, Message, Expected string }

// Read reads the settings from JSON text.
func Read(text string) (Policy, *Mistake) {
	var settings map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return Policy{}, &Mistake{"", "is not an object: " + err.Error(), "a table"}
	}
	words, message := []string{"password"}, "I cannot help with that."
	for key, value := range settings {
		switch key {
		case "forbidden":
			var given []*string
			if err := json.Unmarshal(value, &given); err != nil || given == nil || slices.ContainsFunc(given, isNoWord) {
				return Policy{}, &Mistake{key, "is not a list of words", `a list of strings, such as ["password"]`}
			}
			words = nil
			for _, word := range given {
				words = append(words, *word)
			}
		case "message":
			var given *string
			if err := json.Unmarshal(value, &given); err != nil || given == nil {
				return Policy{}, &Mistake{key, "is not a text", "a string"}
			}
			message = *given
		default:
			return Policy{}, &Mistake{key, "is not a setting", "one of forbidden, message"}
		}
	}
	return Policy{message, pattern(words)}, nil
}

func isNoWord(word *string) bool { return word == nil || *word == "" }

// pattern finds the words in upper or lower case. It copies no text, as strings.ToLower would.
func pattern(words []string) *regexp.Regexp {
	if len(words) == 0 {
		return nil
	}
	quoted := make([]string, len(words))
	for at, word := range words {
		quoted[at] = regexp.QuoteMeta(word)
	}
	return regexp.MustCompile("(?i)" + strings.Join(quoted, "|"))
}

// Refuses tells whether one of these texts has a forbidden word.
func (policy Policy) Refuses(texts []string) bool {
	return policy.words != nil && slices.ContainsFunc(texts, policy.words.MatchString)
}
