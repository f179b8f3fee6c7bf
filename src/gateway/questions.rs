//! Questions to the interpretation of a running gateway: what it knows of days, alerts and cases.
//!
//! What must stay true: a question is answered between two records by the thread that owns the interpretation, so what it reads is of one
//! moment; it changes nothing; at most [`QUESTIONS_MAX`] wait, and who asks waits at most [`ANSWER_WITHIN`]. A question whose asker has gone
//! is not worked on.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use hj212_interpret::Interpreter;

/// Questions that wait at a time; more are refused.
pub(super) const QUESTIONS_MAX: usize = 8;

/// How long who asks waits.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What is done with the interpretation to answer.
pub(super) type Question = Box<dyn FnOnce(&Interpreter) + Send>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// Too many ask.
    #[error("others are asking; try again")]
    Busy,
    /// It is catching up, waits for the registry, or stops.
    #[error("the gateway is busy with its journal; try again")]
    Late,
}

/// Where questions are asked.
#[derive(Debug, Clone)]
pub(super) struct Questions(mpsc::Sender<Question>);

impl Questions {
    /// Both ends.
    #[must_use]
    pub(super) fn new() -> (Questions, mpsc::Receiver<Question>) {
        let (asked, questions) = mpsc::channel(QUESTIONS_MAX);
        (Questions(asked), questions)
    }

    /// What `answer` makes of what is known now.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub(super) async fn ask<R: Send + 'static>(
        &self,
        answer: impl FnOnce(&Interpreter) -> R + Send + 'static,
    ) -> Result<R, Unanswered> {
        let (told, answered) = oneshot::channel();
        let question: Question = Box::new(move |interpreter| {
            if !told.is_closed() {
                // Who asked may have gone meanwhile.
                drop(told.send(answer(interpreter)));
            }
        });
        self.0.try_send(question).map_err(|_| Unanswered::Busy)?;
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Unanswered::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_too_much_or_too_long_is_told_so() {
        let interpreter = Interpreter::new(hj212_interpret::Settings::default());
        let (questions, mut asked) = Questions::new();
        let waiting: Vec<_> = (0..QUESTIONS_MAX)
            .map(|_| {
                let questions = questions.clone();
                tokio::spawn(async move { questions.ask(Interpreter::time).await })
            })
            .collect();
        while asked.len() < QUESTIONS_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!(questions.ask(Interpreter::time).await, Err(Unanswered::Busy));
        for one in waiting {
            assert_eq!(one.await.unwrap(), Err(Unanswered::Late), "nobody answers");
        }
        while let Ok(late) = asked.try_recv() {
            late(&interpreter);
        }
        let asking = tokio::spawn(async move { questions.ask(Interpreter::time).await });
        let question = asked.recv().await.unwrap();
        question(&interpreter);
        assert_eq!(asking.await.unwrap(), Ok(interpreter.time()));
        drop(asked);
    }
}
