"""Connects the policy to the host. Start here: `LlmProvider.invoke` is the module."""

import json

from componentize_py_types import Err
from policy import SCHEMA, Mistake, Policy
from wit_world import exports
from wit_world.exports.module import ConfigError, Cost, Description, Target
from wit_world.imports import llm_provider as inner
from wit_world.imports.arcllm_llm_types import (
    ContentBlock_Text,
    Request,
    Response,
    ResponseParts,
    Role_User,
    StopReason_Refusal,
    Text,
    Usage,
)

# The host calls `configure` once for each instance, before any call.
policy = Policy("{}")

# It refuses calls, and gets whole answers, since Python imports what looks into answers.
BEHAVIOR = ["answers-itself", "holds-answers-back"]


class Module(exports.Module):
    def describe(self) -> Description:
        return Description("guardrail", "0.1.0", "transformer", BEHAVIOR, json.dumps(SCHEMA), [])

    def configure(self, config: str) -> None:
        global policy
        try:
            policy = Policy(config)
        except Mistake as mistake:
            raise Err([ConfigError(mistake.key, mistake.message, mistake.expected)])

    def worst_case(self, inner: Target, others: list[Target]) -> Cost:
        return inner.most


class LlmProvider(exports.LlmProvider):
    def name(self) -> str:
        return inner.name()

    def validate_config(self) -> None:
        inner.validate_config()

    async def invoke(self, request: Request) -> Response:
        # Errors of the inner are exceptions. They go to the caller unchanged.
        if policy.refuses(user_texts(request)):
            return refusal(request, policy.message)
        return await inner.invoke(request)


def user_texts(request: Request) -> list[str]:
    messages = (message for message in request.parts().messages if isinstance(message.role, Role_User))
    return [
        block.value.text for message in messages for block in message.content if isinstance(block, ContentBlock_Text)
    ]


def refusal(request: Request, text: str) -> Response:
    """Makes an answer of the module's own. No model is asked, and nothing is paid."""
    content = [ContentBlock_Text(Text(text, None, []))]
    usage = Usage(0, 0, 0, None, None, None, None, [])
    return Response(
        request, ResponseParts(content, usage, StopReason_Refusal(), request.model(), request.provider(), [])
    )
