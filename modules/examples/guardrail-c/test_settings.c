// Tests of the policy: `cc -o bindings/test test_settings.c settings.c && bindings/test`.

#include <stdio.h>
#include <string.h>

#include "settings.h"

static int failures;

static void check(bool is_right, const char *what) {
  if (!is_right) printf("failed: %s\n", what), failures++;
}

static bool refused(const char *json, const char *text) {
  struct settings settings;
  struct mistake mistake;
  return read_settings(json, strlen(json), &settings, &mistake) && refuses(&settings, text, strlen(text));
}

static bool is_mistake(const char *json, const char *key) {
  struct settings settings;
  struct mistake mistake;
  return !read_settings(json, strlen(json), &settings, &mistake) && strcmp(mistake.key, key) == 0;
}

int main(void) {
  check(refused("{}", "my PassWord is 1234"), "a forbidden word is found in any case");
  check(!refused("{}", "Hello"), "other words pass");
  check(!refused("{\"forbidden\": []}", "password"), "without words nothing is refused");
  check(refused("{\"message\": \"No.\", \"forbidden\": [\"a\", \"g\\u00fcn\"]}", "gün"), "escapes are read");
  check(refused("{\"forbidden\": [\"\\ud83d\\ude00\"]}", "😀"), "escapes of two parts are read");
  check(is_mistake("{\"forbiden\": []}", "forbiden"), "an unknown setting is named");
  check(is_mistake("{\"forbidden\": \"password\"}", "forbidden"), "a text is no list");
  check(is_mistake("{\"forbidden\": [\"\"]}", "forbidden"), "an empty word is refused");
  check(is_mistake("{\"message\": null}", "message"), "null is no text");
  printf("%d failed\n", failures);
  return failures > 0;
}
