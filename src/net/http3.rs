//! DNS over HTTP/3, on the QUIC and HTTP layers of hickory-server: the one file that knows them.
//!
//! Only those layers are used: its `Server` hands a handler decoded messages and encodes what the handler
//! returns, which would break signatures and padding, and lose what it cannot decode. So requests go to the
//! router of `https` and its octets go out. One thing is as it is there: a handshake is waited for
//! before the next one begins, five seconds at most, so this listener is no place for a server that is
//! attacked.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response, StatusCode};
use hickory_server::net::NetError;
use hickory_server::net::h3::h3_server::{H3Connection, H3Server};
use hyper::body::Buf;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::time::timeout;

use super::https;
use super::seats::Seats;
use super::tls::Identity;
use crate::limits::MESSAGE_OCTETS_MAX;

/// Accepts connections until the stop.
pub(super) async fn listen(
    socket: UdpSocket,
    identity: Arc<Identity>,
    router: Router,
    idle: Duration,
    seats: Arc<Seats>,
    mut stopped: watch::Receiver<bool>,
) {
    let server = tokio::net::UdpSocket::from_std(socket)
        .map_err(NetError::from)
        .and_then(|socket| H3Server::with_socket(socket, identity));
    let mut server = match server {
        Ok(server) => server,
        Err(error) => return tracing::error!(%error, "a socket for HTTP/3 cannot be used"),
    };
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = server.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok(Some((connection, peer))) => {
                let Some(seat) = seats.take(peer.ip()) else { continue };
                let router = https::router_for(&router, peer);
                tokio::spawn(async move {
                    attend(connection, peer, router, idle).await;
                    drop(seat);
                });
            }
            Ok(None) => return,
            Err(error) => tracing::debug!(%error, "no HTTP/3 connection"),
        }
    }
}

/// Answers the requests of a connection until it ends or idles.
async fn attend(mut connection: H3Connection, peer: SocketAddr, router: Router, idle: Duration) {
    while let Ok(Some(accepted)) = timeout(idle, connection.accept()).await {
        let (request, mut stream) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return tracing::debug!(%peer, %error, "a connection of HTTP/3 ended"),
        };
        let site = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let exchange = async {
                let mut body = Vec::new();
                // One octet too many is enough for the router to refuse it.
                while body.len() <= MESSAGE_OCTETS_MAX {
                    let Some(mut part) = stream.recv_data().await? else { break };
                    body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
                }
                let (head, body) = respond(&site, request, body).await.into_parts();
                stream.send_response(Response::from_parts(head, ())).await?;
                stream.send_data(body).await?;
                stream.finish().await
            };
            if let Ok(Err(error)) = timeout(idle, exchange).await {
                tracing::debug!(%peer, %error, "a request of HTTP/3 broke off");
            }
        });
    }
}

/// What the router says to a request whose body is there.
async fn respond(site: &TowerToHyperService<Router>, request: Request<()>, body: Vec<u8>) -> Response<Bytes> {
    let Ok(response) = site.call(request.map(|()| Body::from(body))).await;
    let (head, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(body) => Response::from_parts(head, body),
        // It was made in memory.
        Err(_) => {
            let mut failed = Response::new(Bytes::new());
            *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            failed
        }
    }
}
