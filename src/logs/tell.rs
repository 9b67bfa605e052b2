//! What leaves a pipe, sorted by who wants to hear of it.

use super::Event;
use super::cut::Kind;
use super::ear::{Said, Source};
use super::stream::Work;

/// What a cut has for whom.
pub(super) struct Telling<'a> {
    pub(super) work: &'a mut Work,
    pub(super) source: Source,
    /// For the activity log.
    pub(super) events: &'a mut Vec<Event>,
    /// For the ear.
    pub(super) said: &'a mut Vec<Said>,
}

impl Telling<'_> {
    pub(super) fn runs<'a>(&mut self, runs: impl Iterator<Item = (Kind, &'a [u8])>) {
        let text = self.work.chunks || self.work.wants.text;
        let messages = self.work.messages || self.work.wants.messages;
        let mut chunk = Vec::new();
        for (kind, run) in runs {
            if matches!(kind, Kind::Begin | Kind::End) {
                self.text(std::mem::take(&mut chunk));
            }
            match kind {
                Kind::Text if text => chunk.extend(run),
                Kind::Captured if messages => {
                    keep_last(&mut self.work.message, run, self.work.most);
                }
                Kind::Begin => self.work.message.clear(),
                Kind::End if messages => self.message(),
                _ => {}
            }
        }
        self.text(chunk);
    }

    fn text(&mut self, chunk: Vec<u8>) {
        if chunk.is_empty() {
            return;
        }
        if self.work.chunks {
            let chunk = chunk.clone();
            self.events.push(Event::Chunk(self.source.slot, self.source.output, chunk));
        }
        if self.work.wants.text {
            self.said.push(Said::Text(chunk));
        }
    }

    fn message(&mut self) {
        let message = std::mem::take(&mut self.work.message);
        if self.work.messages {
            let copy = message.clone();
            self.events.push(Event::Captured(self.source.slot, self.source.output, copy));
        }
        if self.work.wants.messages {
            self.said.push(Said::Message(message));
        }
    }
}

/// Adds to a message; of one that is too long, the end is kept.
fn keep_last(message: &mut Vec<u8>, run: &[u8], most: usize) {
    let run = run.get(run.len().saturating_sub(most)..).unwrap_or_default();
    let over = (message.len() + run.len()).saturating_sub(most);
    message.drain(..over.min(message.len()));
    message.extend(run);
}
