//! Asks its inner twice at the same time. The answer is that of the first, and after it the errors and attempts that each has
//! seen, as labels in the text.

use std::{future::poll_fn, pin::pin, task::Poll};

use arcllm_module::{
    Behavior, Description, Error, Module, NoSettings, Request, Response, inner,
    types::{ContentBlock, Outcome},
};

/// The module.
pub struct Twice;

impl Module for Twice {
    type Config = NoSettings;

    fn describe() -> Description {
        Description::new("twice", env!("CARGO_PKG_VERSION"), "hedge").behavior(&[
            Behavior::AsksAgain,
            Behavior::AnswersItself,
            Behavior::ChangesAnswers,
            Behavior::HoldsAnswersBack,
        ])
    }

    fn new(_: NoSettings) -> Self {
        Self
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let (first, second) = both(inner::invoke(request.clone()), inner::invoke(request.clone())).await;
        let attempts = request.attempts(0).into_iter().map(|attempt| match attempt.outcome {
            Outcome::Ok => "ok".to_owned(),
            Outcome::Api(status) => status.to_string(),
            other => format!("{other:?}"),
        });
        let seen: Vec<String> = attempts.collect();
        let said = |outcome: Result<Response, Error>| match outcome {
            Ok(answer) => answer.parts().content.iter().map(said).collect(),
            Err(Error::Api(error)) => error.status.to_string(),
            Err(error) => format!("{error:?}"),
        };
        let text = format!("{} and {} after {}", said(first), said(second), seen.join(" "));
        Ok(Response::from_text(&request, &text))
    }
}

fn said(block: &ContentBlock) -> &str {
    match block {
        ContentBlock::Text(text) => &text.text,
        _ => "",
    }
}

/// Waits for both.
async fn both<T>(first: impl Future<Output = T>, second: impl Future<Output = T>) -> (T, T) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut two) = (None, None);
    poll_fn(|context| {
        if one.is_none()
            && let Poll::Ready(done) = first.as_mut().poll(context)
        {
            one = Some(done);
        }
        if two.is_none()
            && let Poll::Ready(done) = second.as_mut().poll(context)
        {
            two = Some(done);
        }
        match (one.take(), two.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (first, second) => {
                (one, two) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}

arcllm_module::export!(Twice);
