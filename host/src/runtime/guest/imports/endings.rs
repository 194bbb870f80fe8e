//! `arcllm:llm/endings`: how answers end, for modules that hand them on as they are.

use futures::{StreamExt as _, stream};
use wasmtime::{
    AsContextMut, Result,
    component::{Access, Accessor, Resource},
};

use crate::{
    adapter::answer::{Answer, without_end},
    chat::{error::ErrorKind, event::Event},
    runtime::guest::{
        bindings::arcllm::llm::{
            endings::{Host, HostWatch, HostWatchWithStore, HostWithStore},
            types::{self, Error},
        },
        convert::{error::error_out, response::ending_out},
        ending::{Ending, WatchHandle},
        handles::ResponseHandle,
        store_data::{Imports, StoreData, current_hop},
    },
};

impl Host for StoreData {}
impl HostWatch for StoreData {}

impl HostWatchWithStore<StoreData> for Imports {
    fn new(mut store: Access<'_, StoreData, Self>, answer: Resource<ResponseHandle>) -> Result<Resource<WatchHandle>> {
        let hop = current_hop(store.as_context_mut())?
            .ok_or_else(|| wasmtime::format_err!("it watches an answer outside of a call"))?;
        let StoreData { table, keeps_journal, .. } = store.get();
        let response = table.get_mut(&answer)?;
        let ending = match &response.ending {
            Some(ending) => ending.clone(),
            None => {
                let (answer, ending) = Ending::of(response.answer.take(), &hop.branch.invoke, *keeps_journal);
                response.answer = answer;
                response.ending = Some(ending.clone());
                ending
            }
        };
        Ok(table.push(WatchHandle::new(ending))?)
    }

    async fn ended(
        store: &Accessor<StoreData, Self>,
        watch: Resource<WatchHandle>,
    ) -> Result<std::result::Result<types::Ending, Error>> {
        let (ending, hop) = store.with(|mut store| {
            let ending = store.get().table.get(&watch)?.ending();
            Ok::<_, wasmtime::Error>((ending, current_hop(store.as_context_mut())?))
        })?;
        let ended = match &hop {
            Some(hop) => {
                let _waiting = hop.progress.wait();
                tokio::select! {
                    biased;
                    ended = ending.ended() => ended,
                    () = hop.over() => Err(hop.branch.invoke.why_over()),
                }
            }
            None => Err(ErrorKind::Cancelled),
        };
        Ok(ended.map(|response| ending_out(&response)).map_err(error_out))
    }

    fn drop(mut store: Access<'_, StoreData, Self>, watch: Resource<WatchHandle>) -> Result<()> {
        store.get().table.delete(watch)?;
        Ok(())
    }
}

impl HostWithStore<StoreData> for Imports {
    async fn begun(
        store: &Accessor<StoreData, Self>,
        answer: Resource<ResponseHandle>,
    ) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
        let (response, hop) = store.with(|mut store| {
            let response = store.get().table.delete(answer)?;
            Ok::<_, wasmtime::Error>((response, current_hop(store.as_context_mut())?))
        })?;
        let ResponseHandle { answer, writing, ending, _bytes } = response;
        let begun = match &hop {
            Some(hop) => {
                let _waiting = hop.progress.wait();
                tokio::select! {
                    biased;
                    () = hop.over() => Err(hop.branch.invoke.why_over()),
                    begun = begun(answer) => begun,
                }
            }
            None => Err(ErrorKind::Cancelled),
        };
        match begun {
            Ok(answer) => {
                let response = ResponseHandle { answer, writing, ending, _bytes };
                Ok(Ok(store.with(|mut store| store.get().table.push(response))?))
            }
            Err(error) => Ok(Err(error_out(error))),
        }
    }
}

/// Waits until the answer has text or a tool call, or is whole.
async fn begun(answer: Answer) -> std::result::Result<Answer, ErrorKind> {
    let (head, mut events) = match answer {
        whole @ Answer::Whole(_) => return Ok(whole),
        Answer::Stream { head, events } => (head, events),
    };
    let (mut originals, mut before) = (Vec::new(), Vec::new());
    loop {
        let event = events.next().await.unwrap_or_else(|| Err(without_end(&head.provider)))?;
        let says = match &event {
            Event::Text(text) => !text.is_empty(),
            Event::ToolUseStart { .. } | Event::ToolArguments { .. } | Event::ToolUseEnd { .. } => true,
            Event::Thinking(_)
            | Event::Block(_)
            | Event::Usage(_)
            | Event::Original(_)
            | Event::Rewritten(_)
            | Event::End(_) => false,
        };
        match event {
            Event::End(response) => return Ok(Answer::Whole(response)),
            original @ (Event::Original(_) | Event::Rewritten(_)) => originals.push(original),
            event => keep(&mut before, event),
        }
        if says {
            let before = stream::iter(originals.into_iter().chain(before).map(Ok));
            return Ok(Answer::Stream { head, events: before.chain(events).boxed() });
        }
    }
}

/// Keeps an event that nobody has seen. Pieces of reasoning become one, and each count replaces the one before: a provider may
/// send millions of both.
fn keep(kept: &mut Vec<Event>, event: Event) {
    match (kept.last_mut(), event) {
        (Some(Event::Thinking(text)), Event::Thinking(piece)) => text.push_str(&piece),
        (_, usage @ Event::Usage(_)) => {
            kept.retain(|event| !matches!(event, Event::Usage(_)));
            kept.push(usage);
        }
        (_, event) => kept.push(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{content::ContentBlock, response::Response, usage::Usage};

    fn answer(events: Vec<Event>) -> Answer {
        let head = Box::new(Response::new(Vec::new()));
        Answer::Stream { head, events: stream::iter(events.into_iter().map(Ok)).boxed() }
    }

    #[tokio::test]
    async fn what_comes_before_the_first_text_is_kept_in_short() {
        let thinking = |piece: &str| Event::Thinking(piece.into());
        let usage = |tokens| Event::Usage(Usage::new(1, tokens));
        let before = vec![thinking("H"), usage(1), thinking("m"), thinking("."), usage(2)];
        let block = Event::Block(ContentBlock::text("Hm."));
        let events = before.into_iter().chain([block.clone(), Event::Text(String::new()), Event::Text("Hi".into())]);
        let begun = begun(answer(events.chain([Event::Text("!".into())]).collect())).await.unwrap();
        let told: Vec<Event> = begun.events().map(|event| event.unwrap()).collect().await;
        let expected = [
            thinking("H"),
            thinking("m."),
            usage(2),
            block,
            Event::Text(String::new()),
            Event::Text("Hi".into()),
            Event::Text("!".into()),
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn an_answer_that_ends_before_is_whole_and_one_that_breaks_off_is_an_error() {
        let end = Event::End(Box::new(Response::new(Vec::new())));
        assert!(matches!(begun(answer(vec![Event::Thinking("Hm.".into()), end])).await, Ok(Answer::Whole(_))));
        assert!(matches!(begun(answer(vec![Event::Thinking("Hm.".into())])).await, Err(ErrorKind::Connection(_))));
    }
}
