//! Octets on TCP before anybody knows what they are: frames, and the negotiation of TLS.

use leasequery_protocol::requestor::{Negotiation, Protocol, Refusal, Step, v4, v6};
use leasequery_wire::{Framing, split_frame};

use crate::input::Input;

/// Runs one input: the protocol, how it is cut into pieces, the stream.
///
/// Whatever the pieces, the same frames come out of a stream, none is found before it is whole, and what is asked for next
/// is never less than there is. TLS begins only behind exactly one message that answers the request.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.bool() { stream::<v6::V6>(input) } else { stream::<v4::V4>(input) }
}

/// Inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (protocol, minimum) in [(0, v4::V4::MIN_MESSAGE), (1, v6::V6::MIN_MESSAGE)] {
        let mut frame = Vec::new();
        if protocol == 0 {
            v4::V4::write_tls(7, &mut frame);
        } else {
            v6::V6::write_tls(7, &mut frame);
        }
        let mut answer = frame.clone();
        answer[2] = if protocol == 0 { 2 } else { 7 };
        let short = u16::try_from(minimum - 1).unwrap_or_default().to_be_bytes();
        for stream in [frame.clone(), answer.clone(), [answer, frame].concat(), short.to_vec(), vec![0xff; 9]] {
            seeds.push([&[protocol, 3][..], &stream].concat());
        }
    }
    seeds
}

fn stream<P: Protocol>(mut input: Input<'_>) {
    let size = usize::from(input.u8()).max(1);
    let octets = input.rest();
    let at_once = frames::<P>(octets);
    let mut negotiation = Negotiation::new::<P>(7);
    let mut judged = None;
    let (mut buffer, mut found, mut wanted) = (Vec::new(), Vec::new(), 0);
    for piece in octets.chunks(size) {
        buffer.extend_from_slice(piece);
        if judged.is_none() {
            let result = negotiation.handle_bytes(piece);
            check_begin(&result, &at_once, buffer.len());
            judged = Some(result).filter(|result| *result != Ok(Step::Waiting));
        }
        while buffer.len() >= wanted {
            match split_frame(&buffer, P::MIN_MESSAGE) {
                Ok(Framing::NeedMore { at_least }) => {
                    assert!(at_least > buffer.len(), "more is asked for than there is");
                    assert!(at_least <= 2 + leasequery_wire::MAX_MESSAGE);
                    wanted = at_least;
                }
                Ok(Framing::Frame { body, rest }) => {
                    assert_eq!(body.len() + rest.len() + 2, buffer.len());
                    found.push(body.to_vec());
                    buffer = rest.to_vec();
                    wanted = 0;
                }
                Err(fault) => {
                    assert!(fault.length < fault.minimum);
                    assert_eq!(at_once, (found, true), "pieces make no difference");
                    return;
                }
            }
        }
    }
    assert_eq!(at_once, (found, false), "pieces make no difference");
}

/// The frames of a stream, and whether something that is none follows them.
fn frames<P: Protocol>(mut octets: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut frames = Vec::new();
    loop {
        match split_frame(octets, P::MIN_MESSAGE) {
            Ok(Framing::NeedMore { .. }) => return (frames, false),
            Ok(Framing::Frame { body, rest }) => {
                frames.push(body.to_vec());
                octets = rest;
            }
            Err(_) => return (frames, true),
        }
    }
}

/// TLS begins behind one whole message, and nothing is behind that.
fn check_begin(result: &Result<Step, Refusal>, (frames, _): &(Vec<Vec<u8>>, bool), length: usize) {
    let first = frames.first().map(|frame| frame.len() + 2);
    match result {
        Ok(Step::Begin) => assert_eq!(first, Some(length)),
        Ok(Step::Waiting) => assert!(first.is_none_or(|first| length < first)),
        Err(Refusal::Injected) => assert!(first.is_some_and(|first| first < length)),
        Err(Refusal::Frame(_)) => assert!(first.is_none()),
        Err(_) => assert!(first.is_some_and(|first| first <= length)),
    }
}
