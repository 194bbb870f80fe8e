//! Turns a web page into the text that it shows.

use std::borrow::Cow;

/// How many bytes of a page are read. Pages of errors are shorter.
const READ: usize = 64 * 1024;

/// The title of a page, or its text if it has no title that says something. Text that is no HTML stays as it is.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    let text = text.get(..text.floor_char_boundary(READ)).unwrap_or(text);
    if !is_html(text) {
        return Cow::Borrowed(text);
    }
    let shown = Page::read(text).summary();
    // What was written with entities may be HTML again.
    Cow::Owned(if is_html(&shown) { Page::read(&shown).summary() } else { shown })
}

/// The id that Cloudflare gives to a request, from its page of an error.
pub(crate) fn ray_id(page: &str) -> Option<String> {
    let page = page.get(..page.floor_char_boundary(READ)).unwrap_or(page);
    let text = Page::read(page).text;
    let (_, after) = text.split_once("Ray ID:")?;
    let id: String =
        after.trim_start().chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    Some(id).filter(|id| !id.is_empty())
}

/// Whether the text has tags of HTML or XML. Other text may have a `<` in it, even a name in angle brackets.
fn is_html(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let rest = text.get(at + 1..).unwrap_or_default();
        let (is_end, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
        let name = tag_name(rest).to_ascii_lowercase();
        match is_end {
            true => OF_PAGES.contains(&&*name) || OF_TEXT.contains(&&*name),
            false => {
                OF_PAGES.contains(&&*name) || ["!--", "!doctype", "?xml"].iter().any(|start| has_prefix(rest, start))
            }
        }
    })
}

/// Elements that nobody means who writes a text.
const OF_PAGES: &[&str] = &["html", "head", "body", "script", "style", "meta", "br", "hr", "img", "iframe", "center"];

/// Elements that count if they are closed.
const OF_TEXT: &[&str] = &[
    "title", "h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "span", "pre", "a", "b", "i", "u", "em", "strong",
    "small", "code", "tt", "font", "table", "tr", "td", "th", "ul", "ol", "li", "dl", "dt", "dd", "svg",
];

/// Elements within a line. Others stand apart from the text around them.
const WITHIN_LINES: &[&str] =
    &["a", "b", "i", "u", "em", "strong", "small", "code", "tt", "font", "span", "sub", "sup"];

/// Elements whose content is not shown.
const UNSEEN: &[&str] = &["script", "style", "noscript", "template", "svg", "iframe"];

/// What a page says.
#[derive(Default)]
struct Page {
    /// The text before the first tag. Messages put their own words there.
    before: Option<String>,
    title: String,
    text: String,
}

impl Page {
    fn read(page: &str) -> Self {
        let lower = page.to_ascii_lowercase();
        let (mut read, mut at) = (Self::default(), 0);
        let mut text = String::new();
        while let Some(found) = page.get(at..).and_then(|rest| rest.find('<')) {
            text.push_str(page.get(at..at + found).unwrap_or_default());
            at += found;
            let Some(end) = end_of_tag(&lower, at) else {
                text.push('<');
                at += 1;
                continue;
            };
            read.before.get_or_insert_with(|| one_line(&text));
            let name = tag_name(lower.get(at + 1..).unwrap_or_default());
            at = end;
            if name == "title" || UNSEEN.contains(&name) {
                let content = lower.get(at..).unwrap_or_default();
                let length = content.find(&format!("</{name}")).unwrap_or(content.len());
                if name == "title" && read.title.is_empty() {
                    read.title = one_line(page.get(at..at + length).unwrap_or_default());
                }
                at += length;
            } else if !WITHIN_LINES.contains(&name.strip_prefix('/').unwrap_or(name)) {
                text.push(' ');
            }
        }
        text.push_str(page.get(at..).unwrap_or_default());
        read.text = one_line(&text);
        read
    }

    /// A title of one word, such as "Error", says less than the text.
    fn summary(self) -> String {
        let title = if self.title.contains(' ') || self.text.is_empty() { self.title } else { String::new() };
        match self.before.filter(|before| !before.is_empty()) {
            _ if title.is_empty() => self.text,
            Some(before) => format!("{before} {title}"),
            None => title,
        }
    }
}

/// Where the tag or comment that begins here ends; `None` if none begins here. One that is cut off reaches to the end.
fn end_of_tag(page: &str, at: usize) -> Option<usize> {
    let rest = page.get(at + 1..)?;
    if rest.starts_with("!--") {
        return Some(rest.find("-->").map_or(page.len(), |end| at + 1 + end + 3));
    }
    let name = rest.strip_prefix(['/', '!', '?']).unwrap_or(rest);
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return None;
    }
    // A value in quotes can contain `>`.
    let (mut quote, mut before) = (None, ' ');
    for (offset, letter) in rest.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '>' => return Some(at + 1 + offset + 1),
            None if before == '=' && matches!(letter, '"' | '\'') => quote = Some(letter),
            None => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    Some(page.len())
}

/// The name of the tag, with the `/` of one that closes.
fn tag_name(rest: &str) -> &str {
    let start = usize::from(rest.starts_with('/'));
    let name = rest.get(start..).unwrap_or_default();
    let end = name.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(name.len());
    rest.get(..start + end).unwrap_or_default()
}

fn has_prefix(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The text with its entities decoded, on one line.
fn one_line(text: &str) -> String {
    decoded(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn decoded(text: &str) -> String {
    let (mut decoded, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        let entity = after.get(..after.floor_char_boundary(LONGEST_ENTITY)).and_then(|start| start.split_once(';'));
        match entity.and_then(|(name, _)| Some((name, character(name)?))) {
            Some((name, character)) => {
                decoded.push(character);
                rest = after.get(name.len() + 1..).unwrap_or_default();
            }
            None => {
                decoded.push('&');
                rest = after;
            }
        }
    }
    decoded + rest
}

/// Of the entities that are decoded, with its `;`.
const LONGEST_ENTITY: usize = 10;

fn character(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return number.ok().map(|number| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "bull" => '•',
        "middot" => '·',
        "copy" => '©',
        "reg" => '®',
        "laquo" => '«',
        "raquo" => '»',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_become_their_title_or_text() {
        let nginx = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\
                     \r\n<hr><center>nginx</center>\r\n</body>\r\n</html>";
        for (page, expected) in [
            (nginx, "502 Bad Gateway"),
            (
                "<!DOCTYPE html><TITLE lang=en>\n api.example.com |  502: Bad&nbsp;gateway</TITLE>",
                "api.example.com | 502: Bad gateway",
            ),
            ("<html><title>Error</title><body><pre>Cannot POST /v1/x</pre></body></html>", "Cannot POST /v1/x"),
            ("<html><title>Error</title></html>", "Error"),
            ("<h1>Bad <b>gate</b>way</h1><p>Try<br>later</p>", "Bad gateway Try later"),
            ("<p>a<script>if (1 < 2) { document.write('<p>no') }</script>b<style>p > a {}</style></p>", "a b"),
            ("<!-- <title>No no</title> --><p title='a > b' class=\"x>y\">Yes</p>", "Yes"),
            ("Upstream said: <html><title>503 Not now</title></html>", "Upstream said: 503 Not now"),
            (
                "<p>1 &lt; 2 &amp;&amp; &#39;x&#39; &#x1F642; &unknown; & &#xFFFFFF;</p>",
                "1 < 2 && 'x' 🙂 &unknown; & \u{fffd}",
            ),
            ("<p>&lt;b&gt;bold&lt;/b&gt;</p>", "bold"),
            (
                "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Not you</Message></Error>",
                "AccessDenied Not you",
            ),
            ("<html><body>cut in the midd<a href=\"htt", "cut in the midd"),
            ("<html><script>never closed", ""),
            ("\u{feff}\n\u{feff}<html><title>502 Bad gateway</title></html>\n", "502 Bad gateway"),
        ] {
            assert_eq!(shown(page), expected, "{page}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "a < b, c > d",
            "unknown field <name>",
            "unexpected <|im_start|> after <tool_call>",
            "the <title> field is missing &amp; more",
            "x <3",
            "<",
            "",
        ] {
            assert!(matches!(shown(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn the_ray_id_is_found() {
        let page =
            "<p><span>Cloudflare Ray ID: <strong class=\"font-semibold\">8a1b2c3d4e5f-FRA</strong></span> &bull; x";
        assert_eq!(ray_id(page).as_deref(), Some("8a1b2c3d4e5f-FRA"));
        assert_eq!(ray_id("<p>Ray ID: </p>"), None);
        assert_eq!(ray_id("<p>no id</p>"), None);
    }

    /// Each of these took quadratic time in a naive reader.
    #[test]
    fn long_pages_take_little_time() {
        for piece in ["<", "<a ", "<a b=\"", "<!--", "<title>", "<script>", "&", "</", "<p>"] {
            shown(&("<html>".to_owned() + &piece.repeat(1_000_000)));
        }
    }

    proptest! {
        #[test]
        fn any_page_is_read(pieces in proptest::collection::vec("(?s)<|>|</|<p |<title>|</title>|<!--|-->|<script>|\"|=|&|;|#|x|.", 0..40)) {
            let page = "<html>".to_owned() + &pieces.concat();
            shown(&page);
            ray_id(&page);
        }
    }
}
