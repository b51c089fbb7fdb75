//! What the sockets counted, summed up for `status`.

use std::net::UdpSocket;
use std::sync::Arc;

use serde_json::{Value, json};

use super::front::Front;
use crate::dns::ResponseCode;
use crate::ident::Transport;
use crate::net::sys;
use crate::policy::rates::Measure;
use crate::serve::Counters;

/// The counters of everything that answers.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    counters: Vec<Arc<Counters>>,
    sockets: Vec<Arc<UdpSocket>>,
}

impl Traffic {
    /// The counters of all that `front` runs.
    pub(super) fn of(front: &Front) -> Traffic {
        let sockets = front.workers.iter().map(|worker| worker.socket.clone()).collect();
        Traffic { counters: front.counters(), sockets }
    }

    /// Sums since the start. `udp_lost` are datagrams that the kernel dropped because no worker read
    /// them in time (R30).
    pub(super) fn to_json(&self) -> Value {
        let sum = |count: &dyn Fn(&Counters) -> u64| -> u64 {
            self.counters.iter().map(|counters| count(counters)).sum()
        };
        let lost = self.sockets.iter().filter_map(|socket| sys::receive_drops(&**socket).ok());
        let replies = |rcode| sum(&|counters| counters.replies(rcode));
        let limited = |measure| sum(&|counters| counters.limited(measure));
        json!({
            "udp_requests": sum(&|counters| counters.requests(Transport::Udp)),
            "udp_lost": lost.map(u64::from).sum::<u64>(),
            "tcp_requests": sum(&|counters| counters.requests(Transport::Tcp)),
            "tls_requests": sum(&|counters| counters.requests(Transport::Tls)),
            "https_requests": sum(&|counters| counters.requests(Transport::Https)),
            "quic_requests": sum(&|counters| counters.requests(Transport::Quic)),
            "unanswered": sum(&Counters::dropped),
            "truncated": sum(&Counters::truncated),
            "refused": replies(ResponseCode::Refused),
            "failed": replies(ResponseCode::ServFail),
            "notifies": sum(&Counters::notifies),
            "transfers": sum(&Counters::transfers),
            "shed": sum(&Counters::shed),
            "rrl_dropped": limited(Measure::Drop),
            "rrl_truncated": limited(Measure::Truncate),
            "rrl_log_only": limited(Measure::Report),
        })
    }
}
