module guardrail-module

go 1.25
