//! Numbers, as Kea's own cast takes them (`boost::lexical_cast`): digits, as many as one likes, behind a sign or none.
//! In a column without signs a negative number counts from the end, so that −1 is the largest one.

use super::row::{RowError, wrong};

/// A number of 32 bits.
#[inline]
pub(super) fn u32(column: &'static str, text: &[u8]) -> Result<u32, RowError> {
    let (negative, magnitude) = parts(text);
    let value = magnitude.and_then(|magnitude| u32::try_from(magnitude).ok()).ok_or_else(|| wrong(column, text))?;
    Ok(if negative { value.wrapping_neg() } else { value })
}

/// A number of 16 bits.
pub(super) fn u16(column: &'static str, text: &[u8]) -> Result<u16, RowError> {
    let (negative, magnitude) = parts(text);
    let value = magnitude.and_then(|magnitude| u16::try_from(magnitude).ok()).ok_or_else(|| wrong(column, text))?;
    Ok(if negative { value.wrapping_neg() } else { value })
}

/// Whether it is a number of 32 bits with a sign.
pub(super) fn is_i32(text: &[u8]) -> bool {
    let (negative, magnitude) = parts(text);
    magnitude.is_some_and(|magnitude| magnitude <= (1 << 31) - u64::from(!negative))
}

/// A time, which Kea reads as a number of 64 bits without a sign and takes for one with a sign.
#[inline]
pub(super) fn time(column: &'static str, text: &[u8]) -> Result<i64, RowError> {
    let (negative, magnitude) = parts(text);
    let value = magnitude.ok_or_else(|| wrong(column, text))?.cast_signed();
    Ok(if negative { value.wrapping_neg() } else { value })
}

/// Whether it is a truth value.
#[inline]
pub(super) fn is_bool(text: &[u8]) -> bool {
    matches!(text, b"0" | b"1") || matches!(parts(text), (_, Some(0)) | (false, Some(1)))
}

/// The sign and the digits' value, if it has 64 bits at most.
#[inline]
fn parts(text: &[u8]) -> (bool, Option<u64>) {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits.strip_prefix(b"+").unwrap_or(digits)),
    };
    // Nineteen digits always fit.
    if !(1..=19).contains(&digits.len()) {
        return (negative, long(digits));
    }
    let (mut value, mut sound) = (0_u64, true);
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        sound &= digit < 10;
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (negative, sound.then_some(value))
}

#[cold]
fn long(digits: &[u8]) -> Option<u64> {
    // The standard library would take a sign once more.
    let digits = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
