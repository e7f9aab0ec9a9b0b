//! Decimal numbers as text: exact, never through a float.
//!
//! Comparison works on the digits and has no limit of size. Arithmetic works on 38 digits and says so when they do not
//! suffice; it never rounds, but for division, which has no exact answer.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Most digits after the point of a quotient; what is beyond is rounded half to even.
const QUOTIENT_SCALE: u32 = 18;

/// Largest exponent taken from text like `1.5E3`, either way. No vendor's number needs more, and a larger one would
/// make a short text into a long number.
const EXPONENT_MAX: i64 = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The text is no decimal number.
    Malformed,
    /// The result, or an operand, has more than 38 digits.
    TooLarge,
    DivisionByZero,
}

/// The digits of a number: without leading zeros before the point, without trailing ones after it.
struct Digits<'a> {
    negative: bool,
    whole: Cow<'a, str>,
    fraction: Cow<'a, str>,
}

impl Digits<'_> {
    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }
}

fn digits(text: &str) -> Result<Digits<'_>, Trouble> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (number, exponent) = match rest.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i64>().map_err(|_| Trouble::Malformed)?),
        None => (rest, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(Trouble::Malformed);
    }
    if exponent.abs() > EXPONENT_MAX {
        return Err(Trouble::TooLarge);
    }
    let (whole, fraction) = shift(whole, fraction, exponent);
    let whole = trim(whole, |s| s.trim_start_matches('0'));
    let fraction = trim(fraction, |s| s.trim_end_matches('0'));
    Ok(Digits { negative, whole, fraction })
}

fn trim<'a>(text: Cow<'a, str>, cut: impl Fn(&str) -> &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        Cow::Owned(text) => Cow::Owned(cut(&text).to_owned()),
    }
}

/// Moves the point by `exponent` places to the right.
fn shift<'a>(whole: &'a str, fraction: &'a str, exponent: i64) -> (Cow<'a, str>, Cow<'a, str>) {
    if exponent == 0 {
        return (Cow::Borrowed(whole), Cow::Borrowed(fraction));
    }
    let by = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    let all = if exponent > 0 { format!("{whole}{fraction:0<by$}") } else { format!("{whole:0>by$}{fraction}") };
    // Padding may have made a part longer than the shift: the point is counted from the end that was not padded.
    let point = if exponent > 0 { whole.len() + by } else { whole.len().max(by) - by };
    let (whole, fraction) = all.split_at(point.min(all.len()));
    (Cow::Owned(whole.to_owned()), Cow::Owned(fraction.to_owned()))
}

/// Compares two decimal texts by value: `1.50` equals `1.5`.
pub(crate) fn compare(left: &str, right: &str) -> Result<Ordering, Trouble> {
    let (left, right) = (digits(left)?, digits(right)?);
    let sign = |d: &Digits| {
        if d.is_zero() {
            0
        } else if d.negative {
            -1
        } else {
            1
        }
    };
    let by_sign = sign(&left).cmp(&sign(&right));
    if by_sign.is_ne() || left.is_zero() {
        return Ok(by_sign);
    }
    let size = left.whole.len().cmp(&right.whole.len());
    let size = size.then_with(|| left.whole.cmp(&right.whole)).then_with(|| left.fraction.cmp(&right.fraction));
    Ok(if left.negative { size.reverse() } else { size })
}

/// The text without exponent, plus sign or superfluous zeros before the point; zeros after it stay, they say how
/// exactly the number was meant.
pub(crate) fn plain(text: &str) -> Result<String, Trouble> {
    let parsed = digits(text)?;
    let sign = if parsed.negative && !parsed.is_zero() { "-" } else { "" };
    let whole = if parsed.whole.is_empty() { "0" } else { &parsed.whole };
    let written = if text.contains(['e', 'E']) {
        parsed.fraction.as_ref()
    } else {
        text.split_once('.').map_or("", |(_, fraction)| fraction)
    };
    Ok(if written.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{written}") })
}

/// A number of at most 38 digits: `mantissa / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    mantissa: i128,
    scale: u32,
}

impl Number {
    pub(crate) const ZERO: Self = Self { mantissa: 0, scale: 0 };

    pub(crate) fn whole(mantissa: i128) -> Self {
        Self { mantissa, scale: 0 }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Trouble> {
        let text = plain(text)?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let mantissa = format!("{whole}{fraction}").parse().map_err(|_| Trouble::TooLarge)?;
        let scale = u32::try_from(fraction.len()).map_err(|_| Trouble::TooLarge)?;
        Ok(Self { mantissa, scale })
    }

    /// The same number with `scale` digits after the point, which must not be fewer than it has.
    fn rescaled(self, scale: u32) -> Result<i128, Trouble> {
        power_of_ten(scale - self.scale).and_then(|factor| self.mantissa.checked_mul(factor)).ok_or(Trouble::TooLarge)
    }

    pub(crate) fn add(self, other: Self) -> Result<Self, Trouble> {
        let scale = self.scale.max(other.scale);
        let sum = self.rescaled(scale)?.checked_add(other.rescaled(scale)?);
        Ok(Self { mantissa: sum.ok_or(Trouble::TooLarge)?, scale })
    }

    pub(crate) fn negate(self) -> Result<Self, Trouble> {
        Ok(Self { mantissa: self.mantissa.checked_neg().ok_or(Trouble::TooLarge)?, scale: self.scale })
    }

    pub(crate) fn subtract(self, other: Self) -> Result<Self, Trouble> {
        self.add(other.negate()?)
    }

    pub(crate) fn multiply(self, other: Self) -> Result<Self, Trouble> {
        let mantissa = self.mantissa.checked_mul(other.mantissa).ok_or(Trouble::TooLarge)?;
        Ok(Self { mantissa, scale: self.scale + other.scale })
    }

    /// The quotient with as many digits after the point as it needs, at most [`QUOTIENT_SCALE`].
    pub(crate) fn divide(self, other: Self) -> Result<Self, Trouble> {
        if other.mantissa == 0 {
            return Err(Trouble::DivisionByZero);
        }
        let (dividend, divisor) = (self.trimmed(), other.trimmed());
        let scale = dividend.scale.max(divisor.scale);
        let negative = (dividend.mantissa < 0) != (divisor.mantissa < 0);
        let dividend = dividend.rescaled(scale)?.unsigned_abs();
        let divisor = divisor.rescaled(scale)?.unsigned_abs();
        let (mut quotient, mut rest) = (dividend / divisor, dividend % divisor);
        for _ in 0..QUOTIENT_SCALE {
            let next = rest.checked_mul(10).ok_or(Trouble::TooLarge)?;
            quotient = quotient.checked_mul(10).and_then(|q| q.checked_add(next / divisor)).ok_or(Trouble::TooLarge)?;
            rest = next % divisor;
        }
        // `rest` against half of `divisor`, without doubling what may be large.
        let round_up = match rest.cmp(&(divisor - rest)) {
            Ordering::Less => false,
            Ordering::Equal => quotient % 2 == 1,
            Ordering::Greater => true,
        };
        let mantissa = i128::try_from(quotient + u128::from(round_up)).map_err(|_| Trouble::TooLarge)?;
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, scale: QUOTIENT_SCALE }.trimmed())
    }

    fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    /// Cut towards zero.
    pub(crate) fn to_integer(self) -> Result<i64, Trouble> {
        let whole = power_of_ten(self.scale).map_or(0, |factor| self.mantissa / factor);
        i64::try_from(whole).map_err(|_| Trouble::TooLarge)
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comparison_is_by_value_and_exact() {
        let long = "9".repeat(200);
        for (left, right, order) in [
            ("1.50", "1.5", Ordering::Equal),
            ("-0", "0.00", Ordering::Equal),
            ("+7", "007", Ordering::Equal),
            (".5", "0.5", Ordering::Equal),
            ("5.", "5", Ordering::Equal),
            ("1e3", "1000", Ordering::Equal),
            ("12.5E-2", "0.125", Ordering::Equal),
            ("1.25e1", "12.5", Ordering::Equal),
            ("10", "9", Ordering::Greater),
            ("-10", "-9", Ordering::Less),
            ("-1", "0", Ordering::Less),
            ("0.1", "0.09", Ordering::Greater),
            ("100000000000000000.01", "100000000000000000.02", Ordering::Less),
            (long.as_str(), "1", Ordering::Greater),
        ] {
            assert_eq!(compare(left, right), Ok(order), "{left} and {right}");
            assert_eq!(compare(right, left), Ok(order.reverse()), "{right} and {left}");
        }
    }

    #[test]
    fn what_is_no_number_is_said_to_be_none() {
        for text in ["", "-", ".", "1.2.3", "1,5", " 1", "1 ", "abc", "1e", "1e1.5", "--1", "0x10", "NaN", "1_000"] {
            assert_eq!(compare(text, "1"), Err(Trouble::Malformed), "{text}");
        }
        assert_eq!(compare("1e401", "1"), Err(Trouble::TooLarge));
        assert_eq!(plain("1e99999999999999999999"), Err(Trouble::Malformed));
    }

    #[test]
    fn arithmetic_keeps_every_digit_or_says_that_it_cannot() {
        let n = |text: &str| Number::parse(text).unwrap();
        assert_eq!(n("0.1").add(n("0.20")).unwrap().to_string(), "0.30");
        assert_eq!(n("1").subtract(n("1.01")).unwrap().to_string(), "-0.01");
        assert_eq!(n("-1.5").multiply(n("1.50")).unwrap().to_string(), "-2.250");
        assert_eq!(n("10").divide(n("4")).unwrap().to_string(), "2.5");
        assert_eq!(n("1").divide(n("3")).unwrap().to_string(), "0.333333333333333333");
        assert_eq!(n("-2").divide(n("3")).unwrap().to_string(), "-0.666666666666666667");
        assert_eq!(n("0.000000000000000005").divide(n("10")).unwrap().to_string(), "0", "half to even: down");
        assert_eq!(n("0.000000000000000015").divide(n("10")).unwrap().to_string(), "0.000000000000000002", "and up");
        assert_eq!(n("1").divide(n("0.00")), Err(Trouble::DivisionByZero));
        let large = n(&"9".repeat(38));
        assert_eq!(large.multiply(large), Err(Trouble::TooLarge));
        assert_eq!(large.divide(n("0.1")), Err(Trouble::TooLarge));
        assert_eq!(Number::parse(&"9".repeat(40)), Err(Trouble::TooLarge));
        assert_eq!((n("-1.99").to_integer(), n("0.5").to_integer()), (Ok(-1), Ok(0)));
        assert_eq!(n("9223372036854775808").to_integer(), Err(Trouble::TooLarge));
    }

    #[test]
    fn the_plain_form_keeps_the_scale() {
        for (text, expected) in [("1.50", "1.50"), ("+007.0", "7.0"), ("-0.0", "0.0"), ("1.5e3", "1500"), (".5", "0.5")]
        {
            assert_eq!(plain(text).unwrap(), expected, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn comparison_agrees_with_integers(a: i64, b: i64, zeros in 0usize..3, exponent in -20i64..20) {
            let text = |n: i64| format!("{n}.{}e{exponent}", "0".repeat(zeros));
            prop_assert_eq!(compare(&text(a), &text(b)), Ok(a.cmp(&b)));
        }

        #[test]
        fn arithmetic_agrees_with_integers(a: i32, b: i32) {
            let n = |n: i32| Number::parse(&n.to_string()).unwrap();
            prop_assert_eq!(n(a).add(n(b)).unwrap().to_integer(), Ok(i64::from(a) + i64::from(b)));
            prop_assert_eq!(n(a).multiply(n(b)).unwrap().to_integer(), Ok(i64::from(a) * i64::from(b)));
            if b != 0 {
                let product = n(a).multiply(n(b)).unwrap();
                prop_assert_eq!(product.divide(n(b)).unwrap(), n(a));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE]{0,12}|.{0,8}") {
            let _ = (compare(&text, "1"), plain(&text).is_ok(), Number::parse(&text).is_ok());
            if let Ok(plain_text) = plain(&text) {
                prop_assert_eq!(compare(&text, &plain_text), Ok(Ordering::Equal));
            }
        }
    }
}
