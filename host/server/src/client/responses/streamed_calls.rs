//! Tool calls of a streamed answer. Several can be under way at once.

use arcllm::ToolCall;

use crate::client::responses::{
    items::{self, Item},
    line::Lines,
    names::Names,
};

/// The calls that have begun and not ended.
#[derive(Default)]
pub(crate) struct StreamedCalls(Vec<StreamedCall>);

struct StreamedCall {
    /// Which of the answer's calls it is.
    index: usize,
    /// Its place in the output.
    place: usize,
    /// The id of the item.
    id: String,
    call_id: String,
    /// The name of the function.
    name: String,
    /// The arguments, as far as they have come.
    said: String,
}

/// A call that has ended: its place in the output, and its JSON.
pub(crate) type EndedCall = (usize, Vec<u8>);

impl StreamedCalls {
    pub(crate) fn has(&self, index: usize) -> bool {
        self.0.iter().any(|call| call.index == index)
    }

    /// Whether a call with this id is under way.
    pub(crate) fn index_of(&self, call_id: &str) -> Option<usize> {
        self.0.iter().find(|call| call.call_id == call_id).map(|call| call.index)
    }

    /// Begins a call, at this place of the output.
    pub(crate) fn begin(
        &mut self,
        (index, place): (usize, usize),
        (answer, call_id, name): (&str, &str, &str),
        names: &Names,
        lines: &mut Lines<'_>,
    ) {
        let tool = names.tool(name);
        let id = items::id(items::call_prefix(tool), answer, place);
        let item = items::json(&Item::Call(items::call(id.clone(), call_id, tool, "", "in_progress")));
        lines.line("response.output_item.added").field("output_index", &place).json("item", &item).end();
        let (call_id, name, said) = (call_id.to_owned(), name.to_owned(), String::new());
        self.0.push(StreamedCall { index, place, id, call_id, name, said });
    }

    /// Adds a piece of arguments. The text of a custom tool is told whole, since the pieces are JSON around it.
    pub(crate) fn add(&mut self, index: usize, piece: &str, names: &Names, lines: &mut Lines<'_>) {
        let Some(call) = self.0.iter_mut().find(|call| call.index == index) else { return };
        call.said.push_str(piece);
        if !names.tool(&call.name).is_custom {
            call.tell("function_call_arguments.delta", "delta", piece, lines);
        }
    }

    /// Ends a call.
    pub(crate) fn end(
        &mut self,
        index: usize,
        whole: &ToolCall,
        names: &Names,
        lines: &mut Lines<'_>,
    ) -> Option<EndedCall> {
        let at = self.0.iter().position(|call| call.index == index)?;
        let mut call = self.0.remove(at);
        let tool = names.called(whole);
        let is_told = !tool.is_custom && !call.said.trim().is_empty();
        if !is_told {
            call.said = if tool.is_custom { items::input(whole) } else { items::arguments(whole) };
        }
        let (kind, name) = kind(tool.is_custom);
        if !is_told {
            call.tell(&format!("{kind}.delta"), "delta", &call.said, lines);
        }
        call.tell(&format!("{kind}.done"), name, &call.said, lines);
        let item =
            items::call(call.id.clone(), &call.call_id, tool, call.said.as_str(), "completed").with_others(whole);
        Some(done(&call, &Item::Call(item), lines))
    }

    /// Ends a call that was cut.
    pub(crate) fn cut(&mut self, index: usize, names: &Names, lines: &mut Lines<'_>) -> Option<EndedCall> {
        let at = self.0.iter().position(|call| call.index == index)?;
        let call = self.0.remove(at);
        let item =
            items::call(call.id.clone(), &call.call_id, names.tool(&call.name), call.said.as_str(), "incomplete");
        Some(done(&call, &Item::Call(item), lines))
    }

    /// Ends all calls: the answer was cut.
    pub(crate) fn cut_all(&mut self, names: &Names, lines: &mut Lines<'_>) -> Vec<EndedCall> {
        let indexes: Vec<usize> = self.0.iter().map(|call| call.index).collect();
        indexes.into_iter().filter_map(|index| self.cut(index, names, lines)).collect()
    }
}

impl StreamedCall {
    fn tell(&self, kind: &str, name: &str, text: &str, lines: &mut Lines<'_>) {
        let line = lines.line(&format!("response.{kind}")).field("item_id", &self.id);
        line.field("output_index", &self.place).field(name, text).end();
    }
}

/// The kind of the events, and the field of the last one that has the whole text.
fn kind(is_custom: bool) -> (&'static str, &'static str) {
    if is_custom { ("custom_tool_call_input", "input") } else { ("function_call_arguments", "arguments") }
}

fn done(call: &StreamedCall, item: &Item<'_>, lines: &mut Lines<'_>) -> EndedCall {
    let item = items::json(item);
    lines.line("response.output_item.done").field("output_index", &call.place).json("item", &item).end();
    (call.place, item)
}
