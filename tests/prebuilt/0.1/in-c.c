// Built once with wit-bindgen 0.61, clang 14 and wasi-libc. README.md has the commands.

#include "module_blocking_with_all.h"
#include <stdlib.h>
#include <string.h>

typedef module_blocking_with_all_string_t string;
typedef arcllm_llm_types_borrow_request_t borrowed;

// The settings: whether to answer with what it sees, and the model that it asks besides its inner.
static bool look;
static char *other = "";

static string text(const char *words) {
  string result;
  module_blocking_with_all_string_dup(&result, words);
  return result;
}

// Text that grows.
static char *told;
static size_t told_length;

static void tell(const char *words, size_t length) {
  told = realloc(told, told_length + length);
  if (!told) abort();
  memcpy(told + told_length, words, length);
  told_length += length;
}

static void tell_name(const char *name) {
  if (told_length) tell(" ", 1);
  tell(name, strlen(name));
  tell("=", 1);
}

static void tell_word(const char *name, const char *word) {
  tell_name(name);
  tell(word, strlen(word));
}

static void tell_number(const char *name, uint64_t number) {
  char digits[21];
  size_t at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  tell_word(name, digits + at);
}

static void tell_string(const char *name, bool is_some, string *value) {
  tell_name(name);
  if (is_some) {
    tell((const char *)value->ptr, value->len);
    module_blocking_with_all_string_free(value);
  } else {
    tell("none", 4);
  }
}

static bool is(const string *value, const char *word) {
  return value->len == strlen(word) && memcmp(value->ptr, word, value->len) == 0;
}

void exports_arcllm_llm_module_describe(exports_arcllm_llm_module_description_t *ret) {
  memset(ret, 0, sizeof *ret);
  ret->name = text("in-c");
  ret->version = text("0.1.0");
  ret->kind = text("transformer");
  const char *behavior[] = {"asks-others", "answers-itself", "changes-requests"};
  ret->behavior.len = sizeof behavior / sizeof *behavior;
  ret->behavior.ptr = malloc(ret->behavior.len * sizeof(string));
  for (size_t at = 0; at < ret->behavior.len; at++) ret->behavior.ptr[at] = text(behavior[at]);
  ret->config_schema = text("{\"type\":\"object\",\"properties\":{\"look\":{\"type\":\"boolean\"},"
                            "\"other\":{\"type\":\"string\"}},\"additionalProperties\":false}");
}

// Finds a value in JSON text. The host has checked the text against the schema.
static const char *find(const char *json, const char *key) {
  const char *found = strstr(json, key);
  return found ? found + strlen(key) : NULL;
}

bool exports_arcllm_llm_module_configure(string *config, exports_arcllm_llm_module_list_config_error_t *err) {
  (void)err;
  char *json = calloc(config->len + 1, 1);
  memcpy(json, config->ptr, config->len);
  look = find(json, "\"look\":true") != NULL;
  const char *begin = find(json, "\"other\":\"");
  other = begin ? strndup(begin, (size_t)(strchr(begin, '"') - begin)) : "";
  free(json);
  module_blocking_with_all_string_free(config);
  return true;
}

void exports_arcllm_llm_module_worst_case(exports_arcllm_llm_module_target_t *inner,
                                          exports_arcllm_llm_module_list_target_t *others,
                                          exports_arcllm_llm_module_cost_t *ret) {
  *ret = inner->most;
  ret->attempts += others->len ? others->ptr[0].most.attempts : 0;
  exports_arcllm_llm_module_target_free(inner);
  for (size_t at = 0; at < others->len; at++) exports_arcllm_llm_module_target_free(&others->ptr[at]);
  if (others->len) free(others->ptr);
}

void exports_arcllm_llm_llm_provider_blocking_name(string *ret) { arcllm_llm_llm_provider_blocking_name(ret); }

bool exports_arcllm_llm_llm_provider_blocking_validate_config(string *err) {
  return arcllm_llm_llm_provider_blocking_validate_config(err);
}

static void tell_options(borrowed request) {
  arcllm_llm_types_options_t options;
  arcllm_llm_types_method_request_options(request, &options);
  tell_number("top-k", options.top_k.is_some ? options.top_k.val : 0);
  tell_number("labels", options.labels.len);
  arcllm_llm_types_options_free(&options);
  string value, team = {(uint8_t *)"team", 4}, nothing = {(uint8_t *)"nothing", 7};
  bool is_some = arcllm_llm_types_method_request_label(request, &team, &value);
  tell_string("team", is_some, &value);
  is_some = arcllm_llm_types_method_request_label(request, &nothing, &value);
  tell_string("nothing", is_some, &value);
}

static void tell_content(borrowed request) {
  arcllm_llm_types_request_size_t size;
  arcllm_llm_types_method_request_size(request, &size);
  tell_number("messages", size.messages);
  tell_number("text-bytes", size.text_bytes);
  arcllm_llm_types_request_size_free(&size);
  string digest;
  arcllm_llm_types_method_request_digest(request, &digest);
  tell_number("digest", digest.len);
  module_blocking_with_all_string_free(&digest);
  string last;
  bool is_some = arcllm_llm_types_method_request_last_user_text(request, 3, &last);
  tell_string("last", is_some, &last);
}

static void tell_models(borrowed request) {
  arcllm_llm_models_blocking_list_model_facts_t list;
  arcllm_llm_models_blocking_list(request, &list);
  bool listed = false;
  for (size_t at = 0; at < list.len; at++) listed = listed || is(&list.ptr[at].name, other);
  tell_word("listed", listed ? "true" : "false");
  arcllm_llm_models_blocking_list_model_facts_free(&list);
  string name = {(uint8_t *)other, strlen(other)};
  arcllm_llm_types_model_facts_t facts;
  if (!arcllm_llm_types_method_request_facts(request, &name, &facts)) return;
  tell_number("window", facts.context_window.is_some ? facts.context_window.val : 0);
  for (size_t at = 0; at < facts.capabilities.len; at++) {
    module_blocking_with_all_tuple2_string_bool_t *capability = &facts.capabilities.ptr[at];
    if (is(&capability->f0, "tools")) tell_word("tools", capability->f1 ? "true" : "false");
  }
  arcllm_llm_types_model_facts_free(&facts);
}

static void tell_answer(arcllm_llm_types_own_response_t own) {
  arcllm_llm_types_borrow_response_t answer = arcllm_llm_types_borrow_response(own);
  tell_word("whole", arcllm_llm_types_method_response_is_whole(answer) ? "true" : "false");
  arcllm_llm_types_stop_reason_t reason;
  if (arcllm_llm_types_method_response_stop_reason(answer, &reason)) {
    tell_word("stop", reason.tag == ARCLLM_LLM_TYPES_STOP_REASON_END_TURN ? "end-turn" : "other");
    arcllm_llm_types_stop_reason_free(&reason);
  }
  arcllm_llm_types_response_size_t size;
  if (arcllm_llm_types_method_response_size(answer, &size)) {
    tell_number("said", size.text_bytes);
    tell_number("calls", size.tool_calls);
    arcllm_llm_types_response_size_free(&size);
  }
}

// The same request, with an option, an image to keep for an hour, and a tool of the provider.
static arcllm_llm_types_own_request_t changed(borrowed request) {
  arcllm_llm_types_options_t options;
  arcllm_llm_types_method_request_options(request, &options);
  options.output.is_some = true;
  options.output.val.tag = ARCLLM_LLM_TYPES_OUTPUT_FORMAT_JSON_SCHEMA;
  arcllm_llm_types_json_schema_t *schema = &options.output.val.val.json_schema;
  memset(schema, 0, sizeof *schema);
  schema->name = text("answer");
  schema->description = text("");
  schema->schema = text("{\"type\":\"object\"}");
  options.reasoning.is_some = true;
  options.reasoning.val.tag = ARCLLM_LLM_TYPES_REASONING_BUDGET;
  options.reasoning.val.val.budget = 2000;
  arcllm_llm_types_own_request_t with = arcllm_llm_types_method_request_with_options(request, &options);
  arcllm_llm_types_options_free(&options);

  arcllm_llm_types_request_parts_t parts;
  arcllm_llm_types_method_request_parts(arcllm_llm_types_borrow_request(with), &parts);
  arcllm_llm_types_message_t *first = &parts.messages.ptr[0];
  first->content.ptr = realloc(first->content.ptr, (first->content.len + 1) * sizeof *first->content.ptr);
  arcllm_llm_types_content_block_t *block = &first->content.ptr[first->content.len++];
  memset(block, 0, sizeof *block);
  block->tag = ARCLLM_LLM_TYPES_CONTENT_BLOCK_IMAGE;
  block->val.image.media_type = text("image/png");
  block->val.image.source.tag = ARCLLM_LLM_TYPES_MEDIA_SOURCE_DATA;
  block->val.image.source.val.data.ptr = (uint8_t *)strdup("png");
  block->val.image.source.val.data.len = 3;
  block->val.image.cache.is_some = true;
  block->val.image.cache.val.ttl.is_some = true;
  block->val.image.cache.val.ttl.val = 3600000000000;
  parts.tools.ptr = realloc(parts.tools.len ? parts.tools.ptr : NULL, (parts.tools.len + 1) * sizeof *parts.tools.ptr);
  arcllm_llm_types_tool_t *tool = &parts.tools.ptr[parts.tools.len++];
  tool->tag = ARCLLM_LLM_TYPES_TOOL_OTHER;
  tool->val.other = text("{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}");
  arcllm_llm_types_own_request_t derived =
      arcllm_llm_types_method_request_derive(arcllm_llm_types_borrow_request(with), &parts);
  arcllm_llm_types_request_parts_free(&parts);
  arcllm_llm_types_request_drop_own(with);
  arcllm_llm_types_request_size_t size;
  arcllm_llm_types_method_request_size(arcllm_llm_types_borrow_request(derived), &size);
  tell_number("images", size.images);
  tell_number("tools", size.tools);
  arcllm_llm_types_request_size_free(&size);
  return derived;
}

// Asks the other model, and tells of the attempts.
static bool ask_other(borrowed request, arcllm_llm_types_own_request_t changed, arcllm_llm_types_error_t *err) {
  string name = {(uint8_t *)other, strlen(other)};
  arcllm_llm_models_blocking_own_model_t model;
  if (!arcllm_llm_models_blocking_load(request, &name, &model, err)) {
    arcllm_llm_types_request_drop_own(changed);
    return false;
  }
  arcllm_llm_models_blocking_borrow_model_t borrow = arcllm_llm_models_blocking_borrow_model(model);
  string model_name;
  arcllm_llm_models_blocking_method_model_name(borrow, &model_name);
  tell_string("model", true, &model_name);
  arcllm_llm_types_own_response_t answer;
  bool ok = arcllm_llm_models_blocking_method_model_invoke(borrow, changed, &answer, err);
  arcllm_llm_models_blocking_model_drop_own(model);
  if (!ok) return false;
  arcllm_llm_types_response_drop_own(answer);
  arcllm_llm_types_list_attempt_t attempts;
  arcllm_llm_types_method_request_attempts(request, 0, &attempts);
  tell_number("attempts", attempts.len);
  for (size_t at = 0; at < attempts.len; at++) {
    tell_word("outcome", attempts.ptr[at].outcome.tag == ARCLLM_LLM_TYPES_OUTCOME_OK ? "ok" : "failed");
  }
  for (size_t at = 0; at < attempts.len; at++) arcllm_llm_types_attempt_free(&attempts.ptr[at]);
  if (attempts.len) free(attempts.ptr);
  return true;
}

static bool count(arcllm_llm_types_error_t *err) {
  string key = {(uint8_t *)"looked", 6};
  string failed;
  int64_t number;
  if (!arcllm_llm_state_blocking_increment(&key, 1, &number, &failed)) {
    memset(err, 0, sizeof *err);
    err->tag = ARCLLM_LLM_TYPES_ERROR_OTHER;
    err->val.other.message = failed;
    return false;
  }
  tell_number("count", (uint64_t)number);
  return true;
}

static arcllm_llm_types_own_response_t own(borrowed request) {
  arcllm_llm_types_response_parts_t parts;
  memset(&parts, 0, sizeof parts);
  arcllm_llm_types_content_block_t block;
  memset(&block, 0, sizeof block);
  block.tag = ARCLLM_LLM_TYPES_CONTENT_BLOCK_TEXT;
  block.val.text.text.ptr = (uint8_t *)told;
  block.val.text.text.len = told_length;
  parts.content.ptr = &block;
  parts.content.len = 1;
  parts.stop_reason.tag = ARCLLM_LLM_TYPES_STOP_REASON_END_TURN;
  arcllm_llm_types_method_request_model(request, &parts.model);
  arcllm_llm_types_method_request_provider(request, &parts.provider);
  arcllm_llm_types_own_response_t answer = arcllm_llm_types_constructor_response(request, &parts);
  module_blocking_with_all_string_free(&parts.model);
  module_blocking_with_all_string_free(&parts.provider);
  return answer;
}

bool exports_arcllm_llm_llm_provider_blocking_invoke(arcllm_llm_types_own_request_t request,
                                                     arcllm_llm_types_own_response_t *ret,
                                                     arcllm_llm_types_error_t *err) {
  if (!look) return arcllm_llm_llm_provider_blocking_invoke(request, ret, err);
  told_length = 0;
  borrowed borrow = arcllm_llm_types_borrow_request(request);
  tell_options(borrow);
  tell_content(borrow);
  tell_models(borrow);
  arcllm_llm_types_own_response_t answer;
  bool ok = arcllm_llm_llm_provider_blocking_invoke(arcllm_llm_types_method_request_clone(borrow), &answer, err);
  if (ok) {
    tell_answer(answer);
    arcllm_llm_types_response_drop_own(answer);
    ok = ask_other(borrow, changed(borrow), err);
  }
  ok = ok && count(err);
  if (ok) *ret = own(borrow);
  arcllm_llm_types_request_drop_own(request);
  return ok;
}
