module guardrail

go 1.25
