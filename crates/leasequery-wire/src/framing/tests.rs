use super::*;

fn frames(stream: &[u8]) -> (Vec<&[u8]>, usize) {
    let (mut found, mut rest) = (Vec::new(), stream);
    loop {
        match split_frame(rest, 3).expect("no fault") {
            Framing::Frame { body, rest: behind } => {
                found.push(body);
                rest = behind;
            }
            Framing::NeedMore { .. } => return (found, rest.len()),
        }
    }
}

//= rfc6926-6.1-01
//= rfc7724-5.1-01
#[test]
fn a_length_in_two_octets_big_endian_precedes_a_message_and_does_not_count_itself() {
    let mut stream = vec![0x01, 0x2c];
    stream.extend_from_slice(&[7; 300]);
    stream.push(9);
    assert_eq!(split_frame(&stream, 240), Ok(Framing::Frame { body: &[7; 300], rest: &[9] }));
}

//= rfc6926-6.1-02
#[test]
fn messages_are_cut_by_their_lengths_alone_wherever_the_stream_is_cut() {
    let stream = [0, 3, 1, 2, 3, 0, 5, 4, 5, 6, 7, 8, 0, 4, 9, 9, 9, 9];
    let whole: [&[u8]; 3] = [&[1, 2, 3], &[4, 5, 6, 7, 8], &[9, 9, 9, 9]];
    assert_eq!(frames(&stream), (whole.to_vec(), 0));
    for cut in 0..stream.len() {
        let (found, left) = frames(&stream[..cut]);
        assert_eq!(found, whole[..found.len()]);
        let used: usize = found.iter().map(|body| body.len() + 2).sum();
        assert_eq!(used + left, cut, "nothing is lost between pieces");
        if let Ok(Framing::NeedMore { at_least }) = split_frame(&stream[used..cut], 3) {
            assert!(at_least > left && used + at_least <= stream.len());
        }
    }
}

//= rfc6926-6.1-03
#[test]
fn a_message_may_have_65535_octets() {
    let stream = [&[0xff, 0xff][..], &vec![1; MAX_MESSAGE]].concat();
    assert_eq!(split_frame(&stream[..stream.len() - 1], 240), Ok(Framing::NeedMore { at_least: MAX_MESSAGE + 2 }));
    assert!(matches!(split_frame(&stream, 240), Ok(Framing::Frame { body, rest: [] }) if body.len() == MAX_MESSAGE));
}

#[test]
fn a_length_no_message_has_is_a_fault_at_once() {
    assert_eq!(split_frame(&[0, 239], 240), Err(FrameFault { length: 239, minimum: 240 }));
    assert_eq!(split_frame(&[0, 0], 240), Err(FrameFault { length: 0, minimum: 240 }));
}
