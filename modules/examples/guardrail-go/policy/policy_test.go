package policy

import "testing"

func refuses(t *testing.T, settings string, texts ...string) bool {
	policy, mistake := Read(settings)
	if mistake != nil {
		t.Fatalf("%s: %v", settings, mistake)
	}
	return policy.Refuses(texts)
}

func TestAForbiddenWordIsFoundInAnyTextAndAnyCase(t *testing.T) {
	if !refuses(t, `{}`, "Hello", "my PassWord is 1234") || !refuses(t, `{"forbidden": ["grün"]}`, "GRÜN") {
		t.Error("it is not found")
	}
	if refuses(t, `{}`, "Hello") {
		t.Error("it is found where it is not")
	}
}

func TestAWordIsNotAPattern(t *testing.T) {
	if refuses(t, `{"forbidden": ["a.c"]}`, "abc") || !refuses(t, `{"forbidden": ["a.c", "("]}`, "A.C") {
		t.Error("it is taken for a pattern")
	}
}

func TestWithoutWordsNothingIsRefused(t *testing.T) {
	if refuses(t, `{"forbidden": []}`, "password") {
		t.Error("something is refused")
	}
}

func TestMistakesAreNamedByTheirKey(t *testing.T) {
	for settings, key := range map[string]string{
		`{"forbiden": []}`:         "forbiden",
		`{"forbidden": "password"}`: "forbidden",
		`{"forbidden": [""]}`:      "forbidden",
		`{"forbidden": [null]}`:    "forbidden",
		`{"forbidden": null}`:      "forbidden",
		`{"message": null}`:        "message",
		`[]`:                       "",
	} {
		if _, mistake := Read(settings); mistake == nil || mistake.Key != key {
			t.Errorf("%s: %v", settings, mistake)
		}
	}
}
