#include "settings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char SCHEMA[] =
    "{\"type\": \"object\", \"properties\": {"
    "\"forbidden\": {\"type\": \"array\", \"items\": {\"type\": \"string\", \"minLength\": 1}, "
    "\"default\": [\"password\"], "
    "\"description\": \"Words that no user may write, in upper or lower case: a list of strings.\"}, "
    "\"message\": {\"type\": \"string\", \"default\": \"I cannot help with that.\", "
    "\"description\": \"What a refused user reads: a string.\"}}, "
    "\"additionalProperties\": false}";

// What is left of the JSON text. The host sends valid JSON, so errors in its form are not told apart here.
struct json {
  const char *at;
  const char *end;
};

static bool take(struct json *json, char expected) {
  while (json->at < json->end && memchr(" \t\r\n", *json->at, 4)) json->at++;
  if (json->at == json->end || *json->at != expected) return false;
  json->at++;
  return true;
}

// Reads the four digits of an escape such as \u00e9.
static uint32_t hex(struct json *json) {
  uint32_t value = 0;
  for (int digits = 0; digits < 4 && json->at < json->end; digits++) {
    char digit = *json->at++;
    value = value * 16 + (digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
  }
  return value;
}

// Writes a character as UTF-8. Returns where the next one goes.
static char *utf8(char *to, uint32_t character) {
  if (character < 0x80) {
    *to++ = (char)character;
    return to;
  }
  int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  *to++ = (char)((0xff00 >> (more + 1)) | (character >> (6 * more)));
  while (more-- > 0) *to++ = (char)(0x80 | ((character >> (6 * more)) & 0x3f));
  return to;
}

static char *escape(struct json *json, char *to) {
  static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
  char name = json->at < json->end ? *json->at++ : '\\';
  if (name == 'u') {
    uint32_t character = hex(json);
    if (character >= 0xd800 && character < 0xdc00 && json->end - json->at > 6) {
      // Two escapes make one character above U+FFFF.
      json->at += 2;
      character = 0x10000 + ((character - 0xd800) << 10) + (hex(json) - 0xdc00);
    }
    return utf8(to, character);
  }
  const char *found = name == '\0' ? NULL : strchr(names, name);
  *to++ = found ? meant[found - names] : name;
  return to;
}

// Reads a text. Returns NULL if something else is there, or no memory.
static char *text(struct json *json) {
  if (!take(json, '"')) return NULL;
  // An escape is longer than what it means.
  char *begin = malloc((size_t)(json->end - json->at) + 4), *to = begin;
  if (!begin) return NULL;
  while (json->at < json->end && *json->at != '"') {
    char next = *json->at++;
    if (next == '\\') to = escape(json, to);
    else *to++ = next;
  }
  *to = '\0';
  return take(json, '"') ? begin : NULL;
}

static char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter; }

static bool words(struct json *json, struct settings *settings) {
  if (!take(json, '[')) return false;
  settings->count = 0;
  // No more words than characters.
  settings->forbidden = calloc((size_t)(json->end - json->at) + 1, sizeof(char *));
  if (!settings->forbidden) return false;
  if (take(json, ']')) return true;
  do {
    char *word = text(json);
    if (!word || !*word) return false;
    for (char *letter = word; *letter; letter++) *letter = lower(*letter);
    settings->forbidden[settings->count++] = word;
  } while (take(json, ','));
  return take(json, ']');
}

bool read_settings(const char *json_text, size_t length, struct settings *settings, struct mistake *mistake) {
  static char *usual[] = {"password"};
  *settings = (struct settings){usual, 1, "I cannot help with that."};
  struct json json = {json_text, json_text + length};
  *mistake = (struct mistake){"", "is not an object", "a table"};
  if (!take(&json, '{')) return false;
  if (take(&json, '}')) return true;
  do {
    char *key = text(&json);
    if (!key || !take(&json, ':')) return false;
    if (strcmp(key, "forbidden") == 0) {
      *mistake = (struct mistake){key, "is not a list of words", "a list of strings, such as [\"password\"]"};
      if (!words(&json, settings)) return false;
    } else if (strcmp(key, "message") == 0) {
      *mistake = (struct mistake){key, "is not a text", "a string"};
      if (!(settings->message = text(&json))) return false;
    } else {
      *mistake = (struct mistake){key, "is not a setting", "one of forbidden, message"};
      return false;
    }
  } while (take(&json, ','));
  return true;
}

static bool begins(const char *text, const char *end, const char *word) {
  while (*word && text < end && lower(*text) == *word) text++, word++;
  return !*word;
}

bool refuses(const struct settings *settings, const char *text, size_t length) {
  for (const char *at = text; at < text + length; at++)
    for (size_t word = 0; word < settings->count; word++)
      if (begins(at, text + length, settings->forbidden[word])) return true;
  return false;
}
