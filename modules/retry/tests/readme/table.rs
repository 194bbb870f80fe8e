//! The table of a README that says what a module does after each kind, status and reason.

use arcllm_module::{
    Error,
    types::{ApiError, Failure, Reason},
};

/// All reasons.
pub(crate) fn reasons() -> Vec<Reason> {
    vec![
        Reason::RateLimit,
        Reason::Quota,
        Reason::Overloaded,
        Reason::ContextLength,
        Reason::ContentFilter,
        Reason::Authentication,
        Reason::Permission,
        Reason::NotFound,
        Reason::InvalidRequest,
        Reason::Billing,
        Reason::Server,
        Reason::Other("other".to_owned()),
    ]
}

/// An error of the provider.
pub(crate) fn api(status: u16, reason: Reason, should_retry: Option<bool>) -> Error {
    Error::Api(ApiError {
        status,
        reason,
        message: "no".to_owned(),
        provider: "a".to_owned(),
        model: "m".to_owned(),
        request_id: None,
        retry_after: None,
        should_retry,
        extensions: Vec::new(),
    })
}

/// Every error without a status, and what the table calls it.
pub(crate) fn without_status() -> Vec<(&'static str, Error)> {
    let failure = || Failure::new("a", "no");
    let no_answer = Failure { extensions: vec![("arcllm.no-answer".to_owned(), "true".to_owned())], ..failure() };
    vec![
        ("`connection`", Error::Connection(failure())),
        ("`timeout`", Error::Timeout(failure())),
        ("`parse`, no answer", Error::Parse(no_answer)),
        ("`parse`", Error::Parse(failure())),
        ("`config`", Error::Config(failure())),
        ("`module`", Error::Module(failure())),
        ("`cancelled`", Error::Cancelled),
        ("`deadline_exceeded`", Error::DeadlineExceeded),
        ("`other`", Error::Other(failure())),
    ]
}

/// A table whose first cell is `kind`: the first cells of a row say when it fits, the others what happens then.
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<String>,
    is_used: bool,
}

impl Table {
    /// Reads it from a README.
    pub(crate) fn read(readme: &str) -> Self {
        let lines = readme.lines().skip_while(|line| !line.starts_with("| kind |")).skip(2);
        let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let rows =
            lines.take_while(|line| line.starts_with('|')).map(|line| Row { cells: cells(line), is_used: false });
        Self { rows: rows.collect() }
    }

    /// What the first row says that fits these words. A cell `any` fits each word, and a list each of its words.
    pub(crate) fn says(&mut self, words: &[&str]) -> Vec<String> {
        let fits = |cell: &str, word: &str| cell == word || cell == "any" || cell.split(", ").any(|one| one == word);
        let row = self.rows.iter_mut().find(|row| {
            // A kind may have a comma in it.
            let mut pairs = row.cells.iter().zip(words);
            pairs.next().is_some_and(|(cell, word)| cell == word) && pairs.all(|(cell, word)| fits(cell, word))
        });
        let row = row.unwrap_or_else(|| panic!("no row is about {words:?}"));
        row.is_used = true;
        row.cells[words.len()..].to_vec()
    }

    /// Checks that each row said something.
    pub(crate) fn has_no_row_in_vain(&self) {
        let unused: Vec<_> = self.rows.iter().filter(|row| !row.is_used).map(|row| &row.cells).collect();
        assert!(unused.is_empty() && self.rows.len() > 5, "{unused:?}");
    }
}
