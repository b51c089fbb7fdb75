//! The names of RCODEs as the RFCs and every other program of the DNS spell them.

use std::fmt;

use super::ResponseCode;

/// An RCODE that is shown by its mnemonic (IANA, "DNS RCODEs"): what an operator looks for in a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mnemonic(pub ResponseCode);

impl fmt::Display for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u16::from(self.0);
        f.write_str(match number {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            7 => "YXRRSET",
            8 => "NXRRSET",
            9 => "NOTAUTH",
            10 => "NOTZONE",
            11 => "DSOTYPENI",
            16 => "BADVERS",
            23 => "BADCOOKIE",
            _ => return write!(f, "RCODE{number}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rcodes_are_called_what_everybody_calls_them() {
        let names: Vec<String> =
            (0..=12).map(|low| Mnemonic(ResponseCode::from(0, low)).to_string()).collect();
        let expected = [
            "NOERROR",
            "FORMERR",
            "SERVFAIL",
            "NXDOMAIN",
            "NOTIMP",
            "REFUSED",
            "YXDOMAIN",
            "YXRRSET",
            "NXRRSET",
            "NOTAUTH",
            "NOTZONE",
            "DSOTYPENI",
            "RCODE12",
        ];
        assert_eq!(names, expected);
        assert_eq!(Mnemonic(ResponseCode::BADVERS).to_string(), "BADVERS");
        assert_eq!(Mnemonic(ResponseCode::BADCOOKIE).to_string(), "BADCOOKIE");
    }
}
