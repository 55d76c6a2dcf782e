use fastrand::Rng;

/// Makes inputs of others, the same ones from the same seed.
#[derive(Debug)]
pub struct Mutator {
    random: Rng,
    longest: usize,
}

/// Numbers at which something is likely to change.
const NUMBERS: [u32; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    239,
    240,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX - 1,
    u32::MAX,
];

impl Mutator {
    /// No input gets longer than `longest`.
    pub fn new(seed: u64, longest: usize) -> Self {
        Self { random: Rng::with_seed(seed), longest }
    }

    /// One of the inputs, changed in one to four places.
    pub fn next(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let mut data = self.random.choice(inputs).cloned().unwrap_or_default();
        for _ in 0..self.random.usize(1..=4) {
            self.change(&mut data, inputs);
        }
        data.truncate(self.longest);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>, inputs: &[Vec<u8>]) {
        let random = &mut self.random;
        let place = random.usize(0..=data.len());
        let end = place + random.usize(0..=(data.len() - place).min(64));
        match random.u8(0..9) {
            0 => data.truncate(place),
            1 => drop(data.drain(place..end)),
            2 => {
                let piece = data[place..end].to_vec();
                data.splice(place..place, piece);
            }
            // The beginning of one and the end of another.
            3 => {
                let other = random.choice(inputs).map(Vec::as_slice).unwrap_or_default();
                let from = random.usize(0..=other.len());
                data.truncate(place);
                data.extend_from_slice(&other[from..]);
            }
            4 => {
                let other = random.choice(inputs).map(Vec::as_slice).unwrap_or_default();
                let from = random.usize(0..=other.len());
                let piece = other[from..].iter().take(64).copied().collect::<Vec<_>>();
                data.splice(place..place, piece);
            }
            5 | 6 => {
                let number = NUMBERS[random.usize(0..NUMBERS.len())].to_be_bytes();
                let width = [1, 2, 4][random.usize(0..3)];
                for (octet, new) in data[place..].iter_mut().zip(&number[4 - width..]) {
                    *octet = *new;
                }
            }
            7 => data.insert(place, random.u8(..)),
            _ => {
                if let Some(octet) = data.get_mut(place) {
                    *octet ^= 1 << random.u8(0..8);
                }
            }
        }
    }
}
