//! `arcllm:llm/streams`: streamed answers, for modules that read or change them.

use std::{pin::pin, sync::Arc};

use futures::{FutureExt as _, StreamExt as _, future};
use tokio::sync::{Mutex, mpsc};
use wasmtime::{
    AsContextMut, Result,
    component::{Access, Accessor, Resource},
};

use crate::{
    adapter::answer::Answer,
    chat::{error::ErrorKind, event::Event, failure::Failure},
    runtime::{
        guest::{
            bindings::arcllm::llm::{
                streams::{
                    self, Host, HostReader, HostReaderWithStore, HostWithStore, HostWriter, HostWriterWithStore,
                },
                types::Error,
            },
            convert::{
                error::{error_in, error_out},
                event::{event_in, event_out},
                response::nothing_yet,
            },
            handles::{ReaderHandle, Reading, RequestHandle, ResponseHandle},
            hop::Hop,
            read_originals::ReadingTurn,
            store_data::{Imports, StoreData, current_hop},
            writing::{Batch, WriterHandle, Writing, written},
        },
        limits::weight::weight_of_event,
    },
};

/// The most events that one read takes.
const BATCH: usize = 256;

impl Host for StoreData {}
impl HostReader for StoreData {}
impl HostWriter for StoreData {}

impl HostWithStore<StoreData> for Imports {
    fn read(
        mut store: Access<'_, StoreData, Self>,
        answer: Resource<ResponseHandle>,
    ) -> Result<Resource<ReaderHandle>> {
        let hop = current_hop(store.as_context_mut())?;
        let table = &mut store.get().table;
        let events = table.delete(answer)?.answer.events();
        // Modules see the same events in every format. The answer that they write is sent with the provider's own.
        let turn = hop.as_ref().map(|hop| hop.read_originals().begin());
        let kept = turn.as_ref().map(ReadingTurn::keeper);
        let events = events.filter_map(move |event| {
            future::ready(match event {
                Ok(Event::Original(original) | Event::Rewritten(original)) => {
                    kept.iter().for_each(|kept| kept.keep(original.clone()));
                    None
                }
                event => Some(event),
            })
        });
        let reading = Arc::new(Mutex::new(Reading { events: Some(events.boxed()), ready: Vec::new(), failed: None }));
        Ok(table.push(ReaderHandle { reading, hop, _turn: turn })?)
    }

    fn write(
        mut store: Access<'_, StoreData, Self>,
        request: Resource<RequestHandle>,
    ) -> Result<(Resource<ResponseHandle>, Resource<WriterHandle>)> {
        let table = &mut store.get().table;
        let hop = table.get(&request)?.hop.clone();
        let writing = hop
            .start_writing()
            .ok_or_else(|| wasmtime::format_err!("it started a second answer: a call can write one"))?;
        let inner = &hop.inner;
        let (writer, events) = written(writing.clone(), hop.read_originals(), &hop.place.module, inner.provider());
        let head = Box::new(nothing_yet(inner.model(), inner.provider()));
        let answer = Answer::Stream { head, events: events.boxed() };
        let answer = table.push(ResponseHandle { answer, writing: Some(writing), ending: None, _bytes: None })?;
        Ok((answer, table.push(writer)?))
    }
}

impl HostReaderWithStore<StoreData> for Imports {
    async fn read(
        store: &Accessor<StoreData, Self>,
        handle: Resource<ReaderHandle>,
    ) -> Result<std::result::Result<Vec<streams::Event>, Error>> {
        let (reading, hop) = store.with(|mut store| {
            let reader = store.get().table.get(&handle)?;
            Ok::<_, wasmtime::Error>((reader.reading.clone(), reader.hop.clone()))
        })?;
        let read = match &hop {
            Some(hop) => {
                let _waiting = hop.progress.wait();
                tokio::select! {
                    biased;
                    () = hop.over() => Err(hop.branch.invoke.why_over()),
                    read = next(&reading) => read,
                }
            }
            None => next(&reading).await,
        };
        if let (Err(_), Ok(mut reading)) = (&read, reading.try_lock()) {
            // Closes its connection.
            reading.events = None;
            reading.ready.clear();
        }
        Ok(read.map(|events| events.into_iter().map(event_out).collect()).map_err(error_out))
    }

    fn drop(mut store: Access<'_, StoreData, Self>, handle: Resource<ReaderHandle>) -> Result<()> {
        store.get().table.delete(handle)?;
        Ok(())
    }
}

/// The next events. Empty after the last. A read that is given up leaves what it has taken to the next one.
async fn next(reading: &Mutex<Reading>) -> std::result::Result<Vec<Event>, ErrorKind> {
    let mut reading = reading.lock().await;
    gather(&mut reading).await;
    let ready = std::mem::take(&mut reading.ready);
    match reading.failed.take() {
        Some(failed) if ready.is_empty() => Err(failed),
        failed => {
            reading.failed = failed;
            Ok(ready)
        }
    }
}

/// Waits for an event, and takes all events that come with it. The connection to the provider hands over one event each time
/// that it runs, so it runs once more after each: to enter the guest for each event costs more than all else.
async fn gather(reading: &mut Reading) {
    let mut is_quiet = false;
    while let Some(events) = &mut reading.events
        && reading.ready.len() < BATCH
    {
        let next = match events.next().now_or_never() {
            Some(next) => next,
            None if reading.ready.is_empty() => events.next().await,
            None if is_quiet => return,
            None => {
                is_quiet = true;
                tokio::task::yield_now().await;
                continue;
            }
        };
        is_quiet = false;
        match next {
            Some(Ok(event)) => {
                let is_end = matches!(event, Event::End(_));
                reading.ready.push(event);
                if !is_end {
                    continue;
                }
            }
            Some(Err(error)) => reading.failed = Some(error),
            None => {}
        }
        reading.events = None;
    }
}

/// Sends events to the reader. Returns whether somebody reads them.
async fn send(batches: &mpsc::Sender<Batch>, batch: Batch, writing: &Writing, hop: Option<&Hop>) -> bool {
    let mut sending = pin!(batches.send(batch));
    let sent = tokio::select! {
        biased;
        sent = &mut sending => sent,
        // Before that nobody can read, and the module waits for itself.
        () = writing.released() => {
            let _waiting = hop.map(|hop| hop.progress.wait());
            sending.await
        }
    };
    sent.is_ok()
}

impl HostWriterWithStore<StoreData> for Imports {
    async fn write(
        store: &Accessor<StoreData, Self>,
        handle: Resource<WriterHandle>,
        events: Vec<streams::Event>,
    ) -> Result<std::result::Result<(), Error>> {
        let (batches, writing, made, hop) = store.with(|mut store| {
            let StoreData { table, memory: growth, .. } = store.get();
            let writer = table.get(&handle)?;
            let (batches, writing) = (writer.batches(), writer.writing());
            let made = growth.make(events.iter().map(weight_of_event).sum())?;
            Ok::<_, wasmtime::Error>((batches, writing, made, current_hop(store.as_context_mut())?))
        })?;
        let Some(batches) = batches else {
            let failure = Failure::new("", "the answer has ended, so nothing more can be written");
            return Ok(Err(error_out(ErrorKind::Other(failure))));
        };
        let mut events: Vec<Event> = events.into_iter().filter_map(event_in).collect();
        // Events after the end are not part of the answer.
        let end = events.iter().position(|event| matches!(event, Event::End(_)));
        if let Some(end) = end {
            events.truncate(end + 1);
        }
        let sent = send(&batches, Batch { events, made }, &writing, hop.as_deref()).await;
        if !sent {
            return Ok(Err(error_out(ErrorKind::Cancelled)));
        }
        if end.is_some() {
            store.with(|mut store| store.get().table.get_mut(&handle).map(|writer| writer.end(None)))?;
        }
        Ok(Ok(()))
    }

    fn fail(mut store: Access<'_, StoreData, Self>, handle: Resource<WriterHandle>, error: Error) -> Result<()> {
        store.get().table.get_mut(&handle)?.end(Some(error_in(error)));
        Ok(())
    }

    fn drop(mut store: Access<'_, StoreData, Self>, handle: Resource<WriterHandle>) -> Result<()> {
        store.get().table.delete(handle)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt as _, channel::mpsc, poll};

    use super::*;
    use crate::chat::response::Response;

    /// An answer whose connection hands over one event each time that it runs.
    fn reading(events: Vec<Event>) -> Mutex<Reading> {
        let (mut sender, receiver) = mpsc::channel(0);
        tokio::spawn(async move {
            for event in events {
                sender.send(Ok(event)).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        Mutex::new(Reading { events: Some(receiver.boxed()), ready: Vec::new(), failed: None })
    }

    fn texts() -> Vec<Event> {
        (0..10).map(|number| Event::Text(number.to_string())).collect()
    }

    #[tokio::test]
    async fn events_that_come_one_after_the_other_are_read_together() {
        assert_eq!(next(&reading(texts())).await.unwrap(), texts());
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_loses_no_event() {
        let end = Event::End(Box::new(Response::new(Vec::new())));
        let all: Vec<_> = texts().into_iter().chain([end]).collect();
        let (reading, mut read) = (reading(all.clone()), Vec::new());
        while read.len() < all.len() {
            tokio::task::yield_now().await;
            // Polled once or twice, and given up.
            let mut next = Box::pin(next(&reading));
            for _ in 0..=read.len() % 2 {
                if let std::task::Poll::Ready(events) = poll!(&mut next) {
                    read.extend(events.unwrap());
                    break;
                }
            }
        }
        assert_eq!(read, all);
        assert!(next(&reading).await.unwrap().is_empty(), "nothing comes after the end");
    }
}
