//! Runs the program that prints a key.

use std::{
    io::Read,
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::adapter::excerpt::excerpt;

/// The most bytes of a key, and of what is kept of standard error.
pub(crate) const LONGEST: u64 = 64 * 1024;

/// How often to check whether the program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the program without a shell and without input, and returns what it prints. Kills it after `limit`.
///
/// # Errors
///
/// What went wrong, with what the program wrote to standard error. Never shows what it printed.
pub(crate) fn run(program: &Path, arguments: &[String], limit: Duration) -> Result<String, String> {
    let until = Instant::now() + limit;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| format!("names {program:?}, which cannot be run: {error}"))?;
    let mut running = KeyProgram(child);
    let complaints = StandardError::of(running.0.stderr.take());
    let printed = running.printed(until);
    let status = running.ended(until);
    let late =
        || format!("ran {program:?}, which did not end within {} s (api_key_timeout_seconds)", limit.as_secs_f64());
    match (status, printed) {
        (Some(status), _) if !status.success() => {
            Err(format!("ran {program:?}, which failed ({status}): {}", complaints.text()))
        }
        (Some(_), Some(printed)) if printed.len() as u64 > LONGEST => {
            Err(format!("ran {program:?}, which printed more than {LONGEST} bytes"))
        }
        (Some(_), Some(printed)) => {
            String::from_utf8(printed).map_err(|_| format!("ran {program:?}, whose output is not UTF-8 text"))
        }
        (None, _) | (_, None) => Err(late()),
    }
}

/// A program that prints a key. Dropping it kills it.
struct KeyProgram(Child);

impl KeyProgram {
    /// What it prints, up to one byte more than the limit. `None` if it takes too long.
    fn printed(&mut self, until: Instant) -> Option<Vec<u8>> {
        let stdout = self.0.stdout.take()?;
        let (send, receive) = mpsc::channel();
        // A thread that is not joined: a program that this one has started may keep the pipe open.
        thread::spawn(move || {
            let mut printed = Vec::new();
            if stdout.take(LONGEST + 1).read_to_end(&mut printed).is_ok() {
                // Fails if it has taken too long.
                let _ = send.send(printed);
            }
        });
        receive.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
    }

    fn ended(&mut self, until: Instant) -> Option<ExitStatus> {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => thread::sleep(LOOK),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for KeyProgram {
    fn drop(&mut self) {
        // These fail if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The beginning of what a program writes to standard error.
struct StandardError(Arc<Mutex<Vec<u8>>>);

impl StandardError {
    fn of(stderr: Option<ChildStderr>) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        if let Some(mut stderr) = stderr {
            let kept = kept.clone();
            thread::spawn(move || {
                let mut piece = [0; 4096];
                // Reads to the end: a full pipe would stop the program.
                while let Ok(length @ 1..) = stderr.read(&mut piece) {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    if (kept.len() as u64) < LONGEST {
                        kept.extend_from_slice(piece.get(..length).unwrap_or_default());
                    }
                }
            });
        }
        Self(kept)
    }

    /// The text on one line, cleaned and cut.
    fn text(&self) -> String {
        match excerpt(&self.0.lock().unwrap_or_else(PoisonError::into_inner), None) {
            text if text.is_empty() => "it printed no reason".to_owned(),
            text => text,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, seconds: f64) -> Result<String, String> {
        run(Path::new("sh"), &["-c".to_owned(), script.to_owned()], Duration::from_secs_f64(seconds))
    }

    #[test]
    fn the_output_is_the_key() {
        assert_eq!(shell("echo sk-1; echo noise >&2", 60.0).unwrap(), "sk-1\n");
        // Also where standard error is longer than a pipe holds.
        assert_eq!(shell("head -c 300000 /dev/zero >&2; printf key", 60.0).unwrap(), "key");
        assert_eq!(shell("cat", 60.0).unwrap(), "", "there is nothing to read");
    }

    #[test]
    fn errors_do_not_show_the_output() {
        let error = shell("echo sk-secret; printf 'no \\033[31mvault\\n' >&2; sleep 0.1; exit 3", 60.0).unwrap_err();
        assert!(error.contains("which failed (exit status: 3): no \\u{1b}[31mvault"), "{error}");
        let error = shell("head -c 100000 /dev/zero >&2; exit 1", 60.0).unwrap_err();
        assert!(error.chars().count() < 700, "{error}");
        assert!(shell("head -c 65537 /dev/zero", 60.0).unwrap_err().contains("more than 65536 bytes"));
        assert!(shell("yes sk-secret", 60.0).unwrap_err().starts_with("ran \"sh\", which"));
        assert!(shell("printf '\\377'", 60.0).unwrap_err().contains("is not UTF-8 text"));
        let nowhere = run(Path::new("/nowhere/at-all"), &[], Duration::from_secs(60)).unwrap_err();
        assert!(nowhere.contains("\"/nowhere/at-all\", which cannot be run"), "{nowhere}");
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed() {
        for script in ["exec sleep 600", "sleep 600 & echo key", "exec >&-; exec sleep 600"] {
            let error = shell(script, 0.2).unwrap_err();
            assert!(error.contains("did not end within 0.2 s (api_key_timeout_seconds)"), "{script}: {error}");
        }
    }
}
