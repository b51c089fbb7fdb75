//! A config of very many zones, cut where entries begin.
//!
//! The tree that TOML makes of a text takes ten times its memory, and more time the more memory it takes. So
//! a large text is read piece by piece: what comes before the first `[[zones]]`, and then some entries at a
//! time. Each piece is TOML by itself, and all of them mean what the whole means. Where they do not, in text
//! that only looks like a header, or with another table among the zones, at least one of them does not fit
//! its shape; then, and if anything is found wrong, the whole is read after all and says what there is to say.

use std::ops::Range;

/// What is not worth cutting.
const WHOLE_OCTETS: usize = 256 * 1024;
/// Octets of a piece: what it takes fits the cache of a processor.
const PIECE_OCTETS: usize = 32 * 1024;
/// The header of a zone, where a line begins.
const HEADER: &str = "\n[[zones]]";

/// What comes before the zones, and where the pieces with zones are; `None` if the text is better read whole.
pub(super) fn of(text: &str) -> Option<(&str, Vec<Range<usize>>)> {
    if text.len() < WHOLE_OCTETS {
        return None;
    }
    let mut headers = text.match_indices(HEADER).map(|(at, _)| at + 1);
    let first = headers.next()?;
    let (mut pieces, mut start) = (Vec::new(), first);
    for header in headers {
        if header - start >= PIECE_OCTETS {
            pieces.push(start..header);
            start = header;
        }
    }
    pieces.push(start..text.len());
    Some((&text[..first], pieces))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::super::{Config, Problem, check};
    use super::*;

    /// A config of as many zones as make it large, and something behind them.
    fn large(behind: &str) -> String {
        let mut text = "[server]\nlisten = [\"127.0.0.1:0\"]\nstate_dir = \"state\"\n\n\
                        [peers.one]\naddress = \"192.0.2.1\"\n\n\
                        [templates.default]\nrole = \"secondary\"\nprimaries = [\"one\"]\n"
            .to_owned();
        for zone in 0..9000 {
            write!(text, "\n[[zones]]\nname = \"zone-{zone}.example\"\n").expect("a string");
            if zone % 7 == 0 {
                text.push_str("allow_transfer = [\n\"one\",\n]\nguard = \"off\"\n");
            }
        }
        text + behind
    }

    fn read(text: &str) -> Result<Config, Vec<Problem>> {
        let config = check::check(Path::new("/etc/config.toml"), text.to_owned(), &[]);
        config.map_err(|error| error.problems().to_vec())
    }

    #[test]
    fn pieces_begin_at_headers_and_are_the_whole_text() {
        let text = large("");
        let (head, pieces) = of(&text).expect("pieces");
        assert!(pieces.len() > 4);
        let all: String = pieces.iter().map(|piece| &text[piece.clone()]).collect();
        assert_eq!(format!("{head}{all}"), text);
        assert!(pieces.iter().all(|piece| text[piece.clone()].starts_with("[[zones]]\n")));
        assert!(of("[server]\n[[zones]]\n").is_none(), "a small text is read whole");
    }

    #[test]
    fn what_is_read_in_pieces_is_what_is_read_whole() {
        // Another table behind the zones makes the whole be read.
        let (pieces, whole) = (read(&large("")), read(&large("\n[rrl]\nper_second = 7\n")));
        let (pieces, whole) = (pieces.expect("a config"), whole.expect("a config"));
        assert_eq!((pieces.zones.len(), &pieces.zones), (9000, &whole.zones));
        assert_eq!((pieces.rrl.per_second, whole.rrl.per_second), (200, 7));
        let line = large("").lines().position(|line| line.contains("zone-8999.")).expect("a line");
        assert_eq!(pieces.zones[8999].position, format!("/etc/config.toml:{line}"));
    }

    #[test]
    fn what_is_wrong_far_behind_is_told_where_it_is() {
        for (behind, said) in [
            ("\n[[zones]]\nname = \"zone-3.example\"\n", "defined twice"),
            ("\n[[zones]]\nnaem = \"x.example\"\n", "unknown key `naem`"),
            ("\n[[zones]]\nname = \"x.example\"\nprimaries = [\"two\"]\n", "two"),
            ("\n[[zones]]\nname = \"\"\"x.example\n[[zones]]\n", "invalid"),
        ] {
            let text = large(behind);
            let problems = read(&text).map(drop).expect_err(behind);
            let problem = problems.first().expect("a problem");
            assert!(problem.title.contains(said), "{behind}: {}", problem.title);
            assert!(problem.span.start > text.len() - behind.len(), "{behind}: {:?}", problem.span);
        }
    }
}
