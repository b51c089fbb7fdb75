//! The labels that names are made of.

/// Labels of every day.
pub const PLAIN: &[&[u8]] =
    &[b"a", b"b", b"c", b"d", b"e", b"www", b"mail", b"ns", b"ns1", b"x-1", b"_tcp", b"_sip", b"0", b"zz"];

/// Labels that need escapes, fold wrongly, or look like something else.
pub const ODD: &[&[u8]] = &[
    b"a.b",
    b"\0",
    b"\0a",
    b"\xff\xfe",
    b"sp ace",
    b"q\"uote",
    b"semi;",
    b"back\\slash",
    b"(",
    b"@",
    b"`",
    b"$",
    b"\t",
    b"a*",
    b"*a",
    b"**",
    b"\xc4\xd6",
    b"\xe4\xf6",
    b"[",
    b"{",
    b"\x01*",
    b"123",
    b"\x7f",
    b"lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll",
];
