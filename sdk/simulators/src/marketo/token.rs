//! Opaque paging tokens. They hold `=`, `+` and `/` on purpose: who forgets to encode one in a query gets it back refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::activities::Place;
use super::dice::mix;
use super::envelope::Refusal;

pub(crate) fn of_place(place: Place) -> String {
    seal("A", &format!("{}/{}", place.at, place.number))
}

pub(crate) fn to_place(token: &str) -> Result<Place, Refusal> {
    let text = open("A", token)?;
    let (at, number) = text.split_once('/').ok_or_else(refused)?;
    Ok(Place { at: at.parse().map_err(|_| refused())?, number: number.parse().map_err(|_| refused())? })
}

pub(crate) fn of_offset(offset: usize) -> String {
    seal("L", &offset.to_string())
}

pub(crate) fn to_offset(token: &str) -> Result<usize, Refusal> {
    open("L", token)?.parse().map_err(|_| refused())
}

fn seal(kind: &str, text: &str) -> String {
    let check = check(text);
    // The bytes 0xfb 0xef 0xbe read `++++`, so that no token is safe in a query as it stands.
    let mut bytes = vec![0xfb, 0xef, 0xbe];
    bytes.extend(format!("{kind}:{text}:{check:04x}").bytes());
    STANDARD.encode(bytes)
}

fn open(kind: &str, token: &str) -> Result<String, Refusal> {
    let bytes = STANDARD.decode(token).map_err(|_| refused())?;
    let text =
        bytes.strip_prefix(&[0xfb, 0xef, 0xbe]).and_then(|rest| std::str::from_utf8(rest).ok()).ok_or_else(refused)?;
    let (text, found) = text
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.rsplit_once(':'))
        .ok_or_else(refused)?;
    if found == format!("{:04x}", check(text)) { Ok(text.to_owned()) } else { Err(refused()) }
}

fn check(text: &str) -> u64 {
    text.bytes().fold(0, |sum, byte| mix(sum ^ u64::from(byte))) & 0xffff
}

fn refused() -> Refusal {
    Refusal::invalid("Invalid value for parameter 'nextPageToken'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_changed_one_is_refused() {
        let place = Place { at: 1_795_000_000, number: 42 };
        let token = of_place(place);
        assert_eq!(to_place(&token), Ok(place));
        assert!(token.contains('+'));
        assert!(to_place(&token.replace('+', " ")).is_err());
        assert!(to_offset(&token).is_err());
        assert!(to_place(&of_offset(3)).is_err());
        assert_eq!(to_offset(&of_offset(3)), Ok(3));
        assert!(to_place("").is_err());
    }
}
