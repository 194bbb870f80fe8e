// Command guardrail is a module for ArcLLM. Start at module.Invoke in the folder module.
package main

import _ "guardrail-module/bindings/wit_exports"

// A module has no main. The host calls the functions of the package module.
func main() {}
