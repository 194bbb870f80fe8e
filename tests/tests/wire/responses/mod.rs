//! Providers of OpenAI Responses: what they are sent, what they get back, and how their streams end.

mod answers;
mod endings;
mod requests;
