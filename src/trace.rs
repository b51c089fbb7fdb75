//! Explaining a decision costs nothing unless somebody asks.
//!
//! The pure rooms (`answer/`, `policy/`, `serve/`, `transfer/`, `replica/`) take `&mut impl Trace`
//! and hand it closures. On the hot path the trace is [`Silent`], whose `step` is empty, so the
//! closure is never built; `explain` runs the same code with a [`Steps`].

/// One step of a decision, in a sentence that an operator can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step(pub String);

/// Where the steps of a decision go.
pub trait Trace {
    /// Notes one step; the closure runs only if somebody listens.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// Nobody listens: the hot path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Trace for Silent {
    #[inline(always)]
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

/// Keeps every step in order.
#[derive(Clone, Debug, Default)]
pub struct Steps(pub Vec<Step>);

impl Trace for Steps {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }
}
