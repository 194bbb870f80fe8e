// Reads the settings of the module. Plain C, so that it can be tested without WebAssembly.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// The JSON Schema of the settings.
extern const char SCHEMA[];

// What the module is set to. The texts are never freed: an instance reads its settings once.
struct settings {
  // Words that no user may write, in lower case.
  char **forbidden;
  size_t count;
  // What a refused user reads.
  char *message;
};

// An error about a setting.
struct mistake {
  char *key;
  const char *message;
  const char *expected;
};

// Reads the settings from JSON text of this length. Returns false and says what is wrong if they are.
bool read_settings(const char *json, size_t length, struct settings *settings, struct mistake *mistake);

// Tells whether a text has a forbidden word, in upper or lower case of A to Z.
bool refuses(const struct settings *settings, const char *text, size_t length);
