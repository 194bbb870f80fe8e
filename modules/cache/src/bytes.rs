//! Answers as bytes, with everything that is in them.

use arcllm_module::types::{
    CacheMark, ContentBlock, Media, MediaSource, ResponseParts, StopReason, Text, Thinking, ToolCall, ToolResult,
    ToolResultBlock, Usage,
};

/// What can be written as bytes and read again. It takes at least one byte.
pub trait Bytes: Sized {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it, and moves `from` behind it. `None` if it is not there.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

impl Bytes for u8 {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        from.split_off_first().copied()
    }
}

impl Bytes for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Bytes for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        from.split_off(..8)?.try_into().ok().map(u64::from_le_bytes)
    }
}

impl Bytes for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        out.extend(self);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(u64::read(from)?).ok()?;
        from.split_off(..len).map(<[u8]>::to_vec)
    }
}

impl Bytes for String {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        out.extend(self.as_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        String::from_utf8(Vec::read(from)?).ok()
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(from)? { Some(T::read(from)?) } else { None })
    }
}

impl<A: Bytes, B: Bytes> Bytes for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some((A::read(from)?, B::read(from)?))
    }
}

/// Implements it for lists of a type. There is none for all lists, because those of bytes are written as they are.
macro_rules! list {
    ($type:ty) => {
        impl Bytes for Vec<$type> {
            fn write(&self, out: &mut Vec<u8>) {
                (self.len() as u64).write(out);
                self.iter().for_each(|one| one.write(out));
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                // Nothing is reserved for a number that may be wrong.
                (0..u64::read(from)?).map(|_| <$type>::read(from)).collect()
            }
        }
    };
}

/// Implements it for a record: its fields in this order.
macro_rules! record {
    ($type:ident { $($field:ident),* }) => {
        impl Bytes for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let $type { $($field),* } = self;
                $($field.write(out);)*
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                $(let $field = Bytes::read(from)?;)*
                Some($type { $($field),* })
            }
        }
    };
}

/// Implements it for a variant: the number of the case, and what it holds.
macro_rules! variant {
    ($type:ident { $($number:literal = $case:ident $(($value:ident))?),* }) => {
        impl Bytes for $type {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $($type::$case $(($value))? => {
                        out.push($number);
                        $($value.write(out);)?
                    })*
                }
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                Some(match u8::read(from)? {
                    $($number => {
                        $(let $value = Bytes::read(from)?;)?
                        $type::$case $(($value))?
                    })*
                    _ => return None,
                })
            }
        }
    };
}

list!((String, String));
list!(ContentBlock);
list!(ToolResultBlock);

record!(CacheMark { ttl, extensions });
record!(Text { text, cache, extensions });
record!(Media { media_type, source, name, cache, extensions });
record!(ToolCall { id, name, arguments, cache, extensions });
record!(ToolResult { tool_use_id, content, is_error, cache, extensions });
record!(Thinking { text, signature, redacted, provider, extensions });
record!(Usage {
    input_tokens,
    output_tokens,
    total_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_hour_tokens,
    reasoning_tokens,
    extensions
});
record!(ResponseParts { content, usage, stop_reason, model, provider, extensions });

variant!(MediaSource { 0 = Data(data), 1 = Url(url), 2 = File(file), 3 = Other(json) });
variant!(ToolResultBlock { 0 = Text(text), 1 = Image(media), 2 = Document(media), 3 = Audio(media), 4 = Other(json) });
variant!(ContentBlock {
    0 = Text(text),
    1 = Image(media),
    2 = Document(media),
    3 = Audio(media),
    4 = ToolUse(call),
    5 = ToolResult(result),
    6 = Thinking(thinking),
    7 = Other(json)
});
variant!(StopReason {
    0 = EndTurn,
    1 = MaxTokens,
    2 = StopSequence,
    3 = ToolUse,
    4 = Refusal,
    5 = PauseTurn,
    6 = ContentFilter,
    7 = Other(word)
});
