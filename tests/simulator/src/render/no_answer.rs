//! Bodies that are no answers, as proxies and broken servers send them.

use super::reason;
use crate::fault::Fault;

/// The id by which a CDN finds a request.
pub(super) const RAY_ID: &str = "8f2c0a6d4e1b7935";

/// The content type and the body that the fault sends instead of any answer.
pub(super) fn body(fault: Option<Fault>, status: u16) -> Option<(&'static str, String)> {
    match fault? {
        Fault::EmptyBody => Some(("application/json", String::new())),
        Fault::HtmlBody if status >= 400 => Some(("text/html; charset=UTF-8", error_page(status))),
        Fault::HtmlBody => Some(("text/html; charset=UTF-8", LOGIN_PAGE.to_owned())),
        Fault::TextBody => Some(("text/plain; charset=utf-8", "upstream request failed (simulated)\n".to_owned())),
        _ => None,
    }
}

const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html>\n<head><title>Sign in</title></head>\n\
    <body><h1>Sign in to the network</h1><form method=\"post\"></form></body>\n</html>\n";

fn error_page(status: u16) -> String {
    let title = format!("{status} {}", reason(status));
    let title = title.trim_end();
    format!(
        "<!DOCTYPE html>\n<html>\n<head><title>{title}</title>\n<style>body {{ margin: 0 }}</style></head>\n\
         <body><h1>{title}</h1>\n<p>The web server reported an error.</p>\n\
         <p>Ray ID: <strong>{RAY_ID}</strong></p></body>\n</html>\n"
    )
}
