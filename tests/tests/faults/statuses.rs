//! Error statuses of a provider.

use arcllm_simulator::Reply;

use super::{
    Fault,
    stage::{BOTH_FORMATS, OTHER_WAY_ROUND, Setup, play_all},
};

#[tokio::test]
async fn every_status_from_400_to_499() {
    let faults: Vec<_> = (400..=499).map(|status| Fault::status(status, Reply::status(status))).collect();
    play_all(BOTH_FORMATS, &faults).await;
}

#[tokio::test]
async fn every_status_from_500_to_599() {
    let faults: Vec<_> = (500..=599).map(|status| Fault::status(status, Reply::status(status))).collect();
    play_all(OTHER_WAY_ROUND, &faults).await;
}

#[tokio::test]
async fn an_error_keeps_the_providers_message_in_any_shape() {
    let says = |status, reply| Fault::status(status, reply).saying("Come back later.");
    let faults = [
        says(529, Reply::error(529, "Come back later.")),
        says(429, Reply::body("text/plain", "Come back later.").with_status(429)),
        says(503, Reply::body("text/html", "<html><body>Come back later.</body></html>").with_status(503)),
        says(400, Reply::body("application/json", r#"{"detail": "Come back later."}"#).with_status(400)),
        says(418, Reply::body("application/json", r#"[{"error": {"message": "Come back later."}}]"#).with_status(418)),
        // Not JSON after all.
        says(502, Reply::body("application/json", r#"{"error": "Come back later."#).with_status(502)),
        Fault::status(404, Reply::body("text/plain", "").with_status(404)).saying("Not Found"),
        Fault::status(529, Reply::body("text/plain", "busy ".repeat(500_000)).with_status(529)).saying("busy busy"),
    ];
    play_all(BOTH_FORMATS, &faults).await;
    play_all(Setup { streamed: true, ..OTHER_WAY_ROUND }, &faults).await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut faults = Vec::new();
    for status in [300, 301, 302, 303, 305, 307, 308, 399] {
        // It leads to the provider itself, which would note the request.
        let reply = Reply::body("text/plain", "").with_status(status).header("location", "/elsewhere/v1/messages");
        faults.push(Fault::status(status, reply).saying("redirects are not followed"));
    }
    faults.push(Fault::status(304, Reply::status(304)));
    faults.push(Fault::status(302, Reply::body("text/html", "Over there!").with_status(302)).saying("Over there!"));
    play_all(BOTH_FORMATS, &faults).await;
}
