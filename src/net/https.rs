//! DNS over HTTPS (RFC 8484): GET and POST of whole messages, which are answered as over any transport.
//!
//! The router says what a request means, whatever version of HTTP carried it; [`serve`] speaks 1.1 and 2 on
//! a connection of `tcp`, whose seats, idle times and stop hold here too. Bounded are the header, the body, the
//! streams of a connection, and the time in which each of them has to come.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::single::Single;
use crate::dns::RecordType;
use crate::dns::message::{Reader, Scratch, Section};
use crate::limits::MESSAGE_OCTETS_MAX;

/// The protocols of a connection, the better one first (RFC 7301).
pub(super) const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];
/// Where questions are asked; RFC 8484 leaves the path open, and everybody uses this one.
const PATH: &str = "/dns-query";
/// The media type of a message (RFC 8484 §6).
const MESSAGE: &str = "application/dns-message";
/// Octets of the header of a request, its target included.
const HEADER_OCTETS_MAX: usize = 16 * 1024;
/// Requests of one connection that are under way at once.
const STREAMS_MAX: u32 = 100;
/// Streams that a client may open and reset before it is taken for an attacker.
const RESETS_MAX: usize = 50;

/// Who asks.
#[derive(Clone, Copy)]
struct Client(SocketAddr);

/// What is asked and what is said of it.
pub(super) fn router(single: Arc<Single>) -> Router {
    Router::new().route(PATH, get(by_get).post(by_post)).fallback(no_such_path).with_state(single)
}

/// The same for one client.
pub(super) fn router_for(router: &Router, client: SocketAddr) -> Router {
    router.clone().layer(Extension(Client(client)))
}

async fn by_get(
    State(single): State<Arc<Single>>,
    Extension(client): Extension<Client>,
    uri: Uri,
) -> Response {
    let mut fields = uri.query().unwrap_or_default().split('&');
    let Some(asked) = fields.find_map(|field| field.strip_prefix("dns=")) else {
        return wrong(StatusCode::BAD_REQUEST, "the request lacks dns=, a message in base64url");
    };
    match data_encoding::BASE64URL_NOPAD.decode(asked.as_bytes()) {
        Ok(octets) => reply(&single, &octets, client),
        Err(_) => {
            wrong(StatusCode::BAD_REQUEST, "dns= is not base64url without padding (RFC 8484 section 6)")
        }
    }
}

async fn by_post(
    State(single): State<Arc<Single>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    // A stream whose body is left unread is reset, and some clients then never see the response.
    let octets = match timeout(single.idle, to_bytes(request.into_body(), MESSAGE_OCTETS_MAX)).await {
        Ok(Ok(octets)) => octets,
        Ok(Err(_)) => return wrong(StatusCode::PAYLOAD_TOO_LARGE, "no message is longer than 65535 octets"),
        Err(_) => return wrong(StatusCode::REQUEST_TIMEOUT, "the message did not come in time"),
    };
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(MESSAGE) {
        reply(&single, &octets, client)
    } else {
        wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a message is application/dns-message")
    }
}

async fn no_such_path() -> Response {
    wrong(StatusCode::NOT_FOUND, "questions are asked at /dns-query")
}

/// A sentence about a request that is no question.
fn wrong(status: StatusCode, sentence: &'static str) -> Response {
    let text = format!("{sentence}\n");
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], text).into_response()
}

fn reply(single: &Single, octets: &[u8], client: Client) -> Response {
    let Some(reply) = single.answer(octets, client.0) else {
        return wrong(StatusCode::BAD_REQUEST, "this is not a DNS query");
    };
    let age = format!("max-age={}", max_age(&reply));
    ([(CONTENT_TYPE, MESSAGE.to_owned()), (CACHE_CONTROL, age)], Bytes::from(reply)).into_response()
}

/// Seconds for which a reply may be kept: as long as all of its answer may, or the proof that there is none
/// (RFC 8484 §5.1). Errors are not kept.
fn max_age(reply: &[u8]) -> u32 {
    let shortest = |wanted: &dyn Fn(Section, RecordType) -> bool| -> Option<u32> {
        let (mut reader, mut scratch) = (Reader::new(reply).ok()?, Scratch::new());
        let mut least = None;
        while let Ok(Some((section, _, record))) = reader.next_record(&mut scratch) {
            if wanted(section, record.rtype) {
                least = Some(record.ttl.min(least.unwrap_or(u32::MAX)));
            }
        }
        least
    };
    shortest(&|section, _| section == Section::Answer)
        .or_else(|| shortest(&|section, rtype| section == Section::Authority && rtype == RecordType::SOA))
        .or_else(|| shortest(&|section, _| section == Section::Authority))
        .unwrap_or(0)
}

/// Serves a connection until the client leaves, idles, or `stopped`.
pub(super) async fn serve<S>(stream: S, router: Router, idle: Duration, stopped: impl Future<Output = ()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(HEADER_OCTETS_MAX)
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(Some(RESETS_MAX))
        .max_header_list_size(HEADER_OCTETS_MAX as u32);
    let stream = TokioIo::new(Impatient::new(stream, idle));
    let mut connection = pin!(builder.serve_connection(stream, TowerToHyperService::new(router)));
    let mut stopped = pin!(stopped);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return noted(ended),
        () = stopped.as_mut() => connection.as_mut().graceful_shutdown(),
    }
    // What is under way is answered at once; an idle client has nothing to wait for.
    noted(timeout(GRACE, connection).await.unwrap_or(Ok(())));
}

/// How long requests that are under way may take after a stop.
const GRACE: Duration = Duration::from_secs(2);

fn noted(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of HTTPS ended");
    }
}

/// A stream that breaks when nothing has moved for some time: whoever keeps a connection has to use it.
struct Impatient<S> {
    stream: S,
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Impatient<S> {
    fn new(stream: S, idle: Duration) -> Impatient<S> {
        Impatient { stream, idle, alarm: Box::pin(sleep(idle)) }
    }

    /// What came of a step: progress puts the alarm off.
    fn judge<T>(&mut self, context: &mut Context<'_>, step: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match step {
            Poll::Ready(done) => {
                self.alarm.as_mut().reset(Instant::now() + self.idle);
                Poll::Ready(done)
            }
            Poll::Pending => match self.alarm.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.stream).poll_read(context, octets);
        self.judge(context, step)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write(context, octets);
        self.judge(context, step)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.stream).poll_flush(context);
        match step {
            // Nothing to flush is no progress.
            Poll::Ready(done) => Poll::Ready(done),
            pending => self.judge(context, pending),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
