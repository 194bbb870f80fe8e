//! Changes fields of a JSON object in its text. All other bytes stay as they are: nothing is parsed into a tree.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use memchr::{memchr2, memchr3};

/// What becomes of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It stays.
    Keep,
    /// It has this value.
    Set(Vec<u8>),
    /// It has another name.
    Rename(&'static str),
    /// It has another name and this value.
    Replace(&'static str, Vec<u8>),
    /// It goes.
    Remove,
}

/// Changes the fields of an object.
pub(crate) trait Editor {
    /// What becomes of this field. A name that stands there twice comes twice.
    fn change(&mut self, name: &str, value: &[u8]) -> Change;

    /// The fields that are added at the end, once all fields have come.
    fn add(&mut self) -> Vec<(&'static str, Vec<u8>)>;
}

/// The object as this editor changes it, in pieces: what stays is not copied. `None` if the text is no object.
pub(crate) fn splice(object: &Bytes, editor: &mut impl Editor) -> Option<Vec<Bytes>> {
    let mut fields = Fields::of(object)?;
    let mut out = Pieces::of(object);
    out.keep(0..fields.at)?;
    let (mut copied, start, mut is_empty) = (fields.at, fields.at, true);
    while let Some(Field { name, key, value }) = fields.next()? {
        let (new_name, new_value) = match editor.change(&name, object.get(value.clone())?) {
            Change::Keep => (None, None),
            Change::Set(value) => (None, Some(value)),
            Change::Rename(name) => (Some(name), None),
            Change::Replace(name, value) => (Some(name), Some(value)),
            Change::Remove => {
                copied = value.end;
                continue;
            }
        };
        // The first field that stays has no comma before it.
        let between = if is_empty && copied != start { key.start } else { copied };
        out.keep(between..key.start)?;
        match new_name {
            Some(name) => out.add_name(name),
            None => out.keep(key.clone())?,
        }
        out.keep(key.end..value.start)?;
        match new_value {
            Some(value) => out.add(&value),
            None => out.keep(value.clone())?,
        }
        (copied, is_empty) = (value.end, false);
    }
    for (name, value) in editor.add() {
        if !std::mem::take(&mut is_empty) {
            out.add(b",");
        }
        out.add_name(name);
        out.add(b":");
        out.add(&value);
    }
    out.keep(copied..object.len())?;
    out.end()
}

/// A text that is put together: pieces of another one, and what is new between them.
struct Pieces<'a> {
    text: &'a Bytes,
    whole: Vec<Bytes>,
    /// The last piece so far.
    kept: Range<usize>,
    /// What follows it.
    new: Vec<u8>,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a Bytes) -> Self {
        Self { text, whole: Vec::new(), kept: 0..0, new: Vec::new() }
    }

    /// Adds a piece of the text. `None` if it has no such piece.
    fn keep(&mut self, piece: Range<usize>) -> Option<()> {
        if self.new.is_empty() && self.kept.end == piece.start {
            self.kept.end = piece.end;
            return Some(());
        }
        self.push()?;
        self.kept = piece;
        Some(())
    }

    fn add(&mut self, new: &[u8]) {
        self.new.extend_from_slice(new);
    }

    /// Adds a name. Those that are written here need no escapes.
    fn add_name(&mut self, name: &str) {
        self.add(b"\"");
        self.add(name.as_bytes());
        self.add(b"\"");
    }

    fn push(&mut self) -> Option<()> {
        let kept = self.text.slice_ref(self.text.get(self.kept.clone())?);
        let new = std::mem::take(&mut self.new).into();
        self.whole.extend([kept, new].into_iter().filter(|piece: &Bytes| !piece.is_empty()));
        Some(())
    }

    fn end(mut self) -> Option<Vec<Bytes>> {
        self.push()?;
        Some(self.whole)
    }
}

/// The value of this field; of the last one if there are several.
pub(crate) fn field<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (mut fields, mut value) = (Fields::of(object)?, None);
    while let Some(field) = fields.next()? {
        if field.name == name {
            value = object.get(field.value);
        }
    }
    value
}

/// One field of an object.
struct Field<'a> {
    name: Cow<'a, str>,
    /// Where its name stands, quotes included.
    key: Range<usize>,
    value: Range<usize>,
}

/// The fields of an object.
struct Fields<'a> {
    text: &'a [u8],
    at: usize,
    has_begun: bool,
}

impl<'a> Fields<'a> {
    /// `None` if the text does not begin with an object.
    fn of(text: &'a [u8]) -> Option<Self> {
        let mut fields = Self { text, at: 0, has_begun: false };
        fields.skip_space();
        fields.expect(b'{')?;
        Some(fields)
    }

    /// The next field, `Some(None)` after the last. `None` if the text is not JSON.
    fn next(&mut self) -> Option<Option<Field<'a>>> {
        self.skip_space();
        match self.peek()? {
            b'}' => return Some(None),
            b',' if self.has_begun => self.at += 1,
            _ if self.has_begun => return None,
            _ => self.has_begun = true,
        }
        self.skip_space();
        let key = self.span(Self::skip_string)?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        let value = self.span(Self::skip_value)?;
        Some(Some(Field { name: unquoted(self.text.get(key.clone())?)?, key, value }))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn span(&mut self, skip: fn(&mut Self) -> Option<()>) -> Option<Range<usize>> {
        let start = self.at;
        skip(self)?;
        Some(start..self.at)
    }

    fn skip_string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            self.at += memchr2(b'"', b'\\', self.rest())?;
            match self.peek()? {
                b'"' => return self.expect(b'"'),
                // An escape has at least one more byte, and only this one can be a quote.
                _ => self.at += 2,
            }
        }
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.skip_string(),
            b'{' => self.skip_nested(b'{', b'}'),
            b'[' => self.skip_nested(b'[', b']'),
            _ => {
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                let length = self.rest().iter().position(ends)?;
                self.at += length;
                (length > 0).then_some(())
            }
        }
    }

    /// Skips an object or a list. Brackets of the other kind are balanced inside of it, so they need not be counted.
    fn skip_nested(&mut self, open: u8, close: u8) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.at += memchr3(b'"', open, close, self.rest())?;
            match self.peek()? {
                b'"' => self.skip_string()?,
                byte => {
                    self.at += 1;
                    depth = if byte == open { depth + 1 } else { depth.checked_sub(1)? };
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

/// The text of a JSON string.
fn unquoted(key: &[u8]) -> Option<Cow<'_, str>> {
    if key.contains(&b'\\') {
        return serde_json::from_slice(key).ok().map(Cow::Owned);
    }
    std::str::from_utf8(key.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests;
