"""What each client of a gateway does, in each way to ask, in front of each format of a provider.

The model `tools-anthropic-helper` is the scenario `tools`, for the third way, at a provider that speaks Anthropic Messages. How each
provider answers stands in `tests/tests/serve/clients/`.
"""

import os
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

GATEWAY = os.environ["GATEWAY"]
UPSTREAMS = os.environ["UPSTREAMS"].split(",")
# `create()`; `create(stream=True)`, read by hand; the helper `.stream()`.
WAYS = ["whole", "streamed", "helper"]
STREAMED = ["streamed", "helper"]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class Report(BaseModel):
    """What a structured answer holds."""

    model_config = ConfigDict(extra="forbid")
    city: str
    degrees: int


@dataclass
class Answer:
    """What a client makes of an answer."""

    text: str
    usage: tuple[int, int]
    ended: str
    # Each an id, a name and the arguments.
    calls: list = field(default_factory=list)
    # What goes into the conversation for it.
    turns: list = field(default_factory=list)
    parsed: Report | None = None


def scenario(name, ways=WAYS):
    """Makes a test of a check: for each upstream format and each way."""

    def over(check):
        def test(self):
            for upstream in UPSTREAMS:
                for way in ways:
                    with self.subTest(upstream=upstream, way=way):
                        check(self, way, f"{name}-{upstream}-{way}")

        return test

    return over


class Scenarios:
    """A client has `ask`, `user`, `with_image`, `results`, and the words that its format has for the end of an answer."""

    @scenario("text")
    def test_text(self, way, model):
        answer = self.ask(way, model, [self.user("Hi")])
        self.assertEqual(answer.text, "Hello, wörld 🌍\nand all.")
        self.assertEqual(answer.usage, (12, 7))
        self.assertEqual(answer.ended, self.ENDED)
        self.assertEqual(answer.calls, [])

    def calls_tools(self, way, model):
        turns = [self.user("How warm is it in Paris and in Rome?")]
        answer = self.ask(way, model, turns, tools=[WEATHER])
        self.assertEqual(answer.text, "I look up both.")
        self.assertEqual(answer.ended, self.CALLS)
        self.assertEqual([call[1:] for call in answer.calls],
                         [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})])
        turns += answer.turns
        turns += self.results([(id, f"{arguments['city']}: {len(arguments['city']) * 5} degrees")
                               for id, _, arguments in answer.calls])
        answer = self.ask(way, model, turns, tools=[WEATHER])
        self.assertEqual(answer.text, "25 and 20 degrees.")
        self.assertEqual(answer.ended, self.ENDED)

    test_tools = scenario("tools")(calls_tools)
    test_failover_between_the_calls_and_their_results = scenario("failover")(calls_tools)

    @scenario("images")
    def test_images(self, way, model):
        answer = self.ask(way, model, [self.with_image("What is this?", PNG)])
        self.assertEqual(answer.text, "A dot.")

    @scenario("structured")
    def test_structured(self, way, model):
        answer = self.ask(way, model, [self.user("How warm is it in Paris?")], schema=Report)
        self.assertEqual(answer.parsed, Report(city="Paris", degrees=25))

    def fails(self, way, model):
        with self.assertRaises(self.sdk.APIError) as raised:
            self.ask(way, model, [self.user("Hi")])
        return raised.exception

    @scenario("refused")
    def test_refused(self, way, model):
        error = self.fails(way, model)
        self.assertIsInstance(error, self.sdk.BadRequestError)
        self.assertIn("the simulator refuses this", str(error))

    def test_an_unknown_model(self):
        for way in WAYS:
            with self.subTest(way=way):
                error = self.fails(way, "no-such-model")
                self.assertIsInstance(error, self.sdk.NotFoundError)
                self.assertIn("no-such-model", str(error))

    @scenario("limited")
    def test_retries_what_the_gateway_leaves_to_it(self, way, model):
        self.assertEqual(self.ask(way, model, [self.user("Hi")]).text, "Here again.")

    @scenario("down")
    def test_does_not_retry_what_the_gateway_retried(self, way, model):
        error = self.fails(way, model)
        self.assertIsInstance(error, self.sdk.InternalServerError)
        self.assertEqual(error.status_code, 503)

    @scenario("broken", STREAMED)
    def test_a_stream_that_breaks_off_is_an_error(self, way, model):
        self.fails(way, model)

    @scenario("early", STREAMED)
    def test_a_stream_that_ends_too_early_is_an_error(self, way, model):
        self.fails(way, model)
