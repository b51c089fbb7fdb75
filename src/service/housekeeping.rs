//! What has to happen now and then, without anybody asking: secrets of cookies grow old, and certificates
//! are renewed.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Running;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A secret makes cookies for so long.
const SECRET_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The thread that looks.
pub(super) struct Housekeeping {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Housekeeping {
    /// Starts the thread.
    pub(super) fn start(running: Arc<Mutex<Running>>) -> std::io::Result<Housekeeping> {
        let (stop, stopped) = channel();
        let body = move || {
            while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let mut running = running.lock().expect("no reload panics");
                running.roll_cookies();
                let Running { config, kept, .. } = &mut *running;
                kept.look(config);
            }
        };
        let thread = std::thread::Builder::new().name("housekeeping".into()).spawn(body)?;
        Ok(Housekeeping { stop, thread })
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

impl Running {
    /// Lets a new secret make cookies, if the present one is old.
    fn roll_cookies(&mut self) {
        if self.kept.roll(self.engine.clock().now().wall, SECRET_AGE) {
            self.engine.show_cookies(self.kept.cookies(&self.config.cookies));
        }
    }
}
