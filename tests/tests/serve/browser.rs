//! Chromium without a window. It is driven by its DevTools protocol, over pipes.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A browser that says nothing for so long hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts Debian's chromium with an empty page.
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // It reads commands from file 3 and writes its messages to file 4.
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "chromium"]);
        command.args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"]);
        // Its sandbox does not work for root, and not every machine has enough shared memory.
        command.args(["--no-sandbox", "--disable-dev-shm-usage"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let messages = read_messages(output);
        let mut browser =
            Self { process, commands, messages, session: None, last: 0, events: Vec::new(), _profile: profile };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].take();
        let attached = browser.ask("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Gives a command, and waits for what it results in.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let missing = || panic!("no answer to {method}: is chromium installed?");
            let mut message = self.messages.recv_timeout(LONGEST).unwrap_or_else(|_| missing());
            if message["id"] == self.last {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    /// Opens this address.
    pub(crate) fn open(&mut self, url: &str) {
        let opened = self.ask("Page.navigate", &json!({ "url": url }));
        assert_eq!(opened["errorText"], Value::Null, "{url}");
    }

    /// The value of this JavaScript expression.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut evaluated = self.ask("Runtime.evaluate", &params);
        assert_eq!(evaluated["exceptionDetails"], Value::Null, "{expression}");
        evaluated["result"]["value"].take()
    }

    /// Waits until this JavaScript expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        for _ in 0..600 {
            // While a page loads, what is asked for may be missing.
            if self.value(&format!("(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()"))
                == true
            {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not become true: {expression}; the page says: {}", self.text());
    }

    /// The text that a person sees.
    pub(crate) fn text(&mut self) -> String {
        self.value("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// Shows the page this wide, in this colour scheme.
    pub(crate) fn show(&mut self, width: u32, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What went wrong on the page, as its console tells.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let told = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
        let told = self.events.iter().filter(|event| told.iter().any(|method| event["method"] == *method));
        told.map(|event| event["params"].to_string()).collect()
    }

    /// The addresses that the page has asked for.
    pub(crate) fn asked(&self) -> Vec<&str> {
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The messages in this output, which are JSON and end with a zero byte each.
fn read_messages(output: impl Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for message in BufReader::new(output).split(0) {
            let message = message.ok().and_then(|message| serde_json::from_slice(&message).ok());
            if message.is_none_or(|message| sender.send(message).is_err()) {
                return;
            }
        }
    });
    receiver
}
