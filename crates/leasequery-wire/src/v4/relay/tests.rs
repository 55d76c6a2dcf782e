use super::*;

//= rfc3046-2.0-01
#[test]
fn sub_options_come_in_any_order_may_be_empty_and_have_no_end_mark() {
    for bytes in [&[2, 1, 9, 12, 2, 7, 8, 255, 1, 3, 1, 0][..], &[12, 2, 7, 8, 1, 0, 255, 1, 3, 2, 1, 9]] {
        let info = RelayAgentInformation::parse(bytes).expect("well formed");
        assert_eq!(info.remote_id(), Some(&[9][..]));
        assert_eq!(info.relay_id(), Some(&[7, 8][..]));
        assert_eq!(info.find(SubOption::CIRCUIT_ID), Some(&[][..]));
        assert_eq!(info.find(SubOption(255)), Some(&[3][..]));
        assert_eq!(info.sub_options().count(), 4);
        assert_eq!(info.bytes(), bytes);
    }
    let overrun = RelayAgentInformation::parse(&[1, 0, 2, 3, 9, 9]).expect_err("one octet is missing");
    assert_eq!(overrun, DecodeError { offset: 2, problem: Problem::Overrun { code: 2, length: 3, left: 2 } });
    let cut = RelayAgentInformation::parse(&[1, 0, 2]).expect_err("no length");
    assert_eq!(cut, DecodeError { offset: 2, problem: Problem::NoLength(2) });
}

//= rfc6607-3.3-01
#[test]
fn vss_control_is_empty() {
    let info = RelayAgentInformation::parse(&[151, 5, 0, b'b', b'l', b'u', b'e', 152, 0]).expect("well formed");
    assert_eq!(info.vpn(), Ok(Some(Vpn::Name(b"blue"))));
    let wrong = RelayAgentInformation::parse(&[152, 1, 0]).expect_err("it has a value");
    assert_eq!(wrong.problem, Problem::Length { code: 152, length: 1, expected: "0" });
}
