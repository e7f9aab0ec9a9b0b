//! Random expressions, as text, and random rows. Made from a string of bytes, so that what fails shrinks with it.

use attiva_core::{DataType, Value};

/// The moment of all tests: 2026-11-23T10:00:00Z.
pub const NOW: i64 = 1_795_428_000_000;
const DAY: i64 = 86_400_000;

/// Bytes to decide by; zeros when they run out.
pub struct Dice<'a>(pub &'a [u8]);

impl Dice<'_> {
    pub fn roll(&mut self, sides: u8) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                first % sides
            }
            None => 0,
        }
    }

    pub fn pick<'b, T>(&mut self, from: &'b [T]) -> &'b T {
        let sides = u8::try_from(from.len()).expect("a small table");
        &from[usize::from(self.roll(sides))]
    }
}

/// Writes expressions over these fields: paths like `person.email`, with their types.
pub struct Writer<'a, 'd> {
    pub fields: &'a [(String, DataType)],
    pub dice: Dice<'d>,
}

impl Writer<'_, '_> {
    fn field(&mut self, wanted: DataType, otherwise: &str) -> String {
        let of_type: Vec<&String> = self.fields.iter().filter(|(_, t)| *t == wanted).map(|(path, _)| path).collect();
        if of_type.is_empty() { otherwise.to_owned() } else { (*self.dice.pick(&of_type)).clone() }
    }

    pub fn boolean(&mut self, depth: u8) -> String {
        use DataType::{Boolean, Bytes, Date, Decimal, Float, Integer, Text, TextList, Timestamp};
        if depth == 0 {
            return self.field(Boolean, "true");
        }
        let d = depth - 1;
        match self.dice.roll(16) {
            0 => self.field(Boolean, "false"),
            1 => self.dice.pick(&["true", "false"]).to_string(),
            2 | 3 => {
                let sign = *self.dice.pick(&[" && ", " || "]);
                let terms = 2 + self.dice.roll(3);
                (0..terms).map(|_| format!("({})", self.boolean(d))).collect::<Vec<_>>().join(sign)
            }
            4 => format!("!({})", self.boolean(d)),
            5..=8 => {
                let op = *self.dice.pick(&["==", "!=", "<", "<=", ">", ">="]);
                let ty = *self.dice.pick(&[Text, Integer, Timestamp, Decimal, Float, Date, Boolean, Bytes]);
                let left = self.value(ty, d);
                format!("({left}) {op} ({})", self.value(ty, d))
            }
            9 => {
                let (left, op) = (self.duration(d), *self.dice.pick(&["==", "<", ">="]));
                format!("({left}) {op} ({})", self.duration(d))
            }
            10 => {
                let ty = *self.dice.pick(&[Text, Integer, Decimal, Date, Float]);
                let value = self.value(ty, d);
                let count = self.dice.roll(4);
                let list = (0..count).map(|_| self.value(ty, 0)).collect::<Vec<_>>().join(", ");
                format!("({value}) in [{list}]")
            }
            11 if self.dice.roll(2) == 0 => {
                let how = *self.dice.pick(&["intersects", "supersetOf", "subsetOf"]);
                format!("({}).{how}({})", self.value(TextList, d), self.value(TextList, 0))
            }
            11 => format!("({}) in ({})", self.value(Text, d), self.value(TextList, d)),
            12 => {
                let ty = *self.dice.pick(&[Text, Integer, Timestamp, TextList]);
                let value = self.value(ty, d);
                format!("({value}) {} null", self.dice.pick(&["==", "!="]))
            }
            13 => {
                let how = *self.dice.pick(&["contains", "startsWith", "endsWith"]);
                format!("({}).{how}({})", self.value(Text, d), self.value(Text, 0))
            }
            14 => format!("({}) ? ({}) : ({})", self.boolean(d), self.boolean(d), self.boolean(d)),
            _ => match self.dice.roll(3) {
                0 => format!("coalesce({}, {})", self.boolean(d), self.boolean(d)),
                1 => format!("bool({})", self.dice.pick(&["\"true\"", "\"0\""])),
                _ => self.presence(),
            },
        }
    }

    fn presence(&mut self) -> String {
        let path = self.dice.pick(self.fields).0.clone();
        format!("has({path})")
    }

    fn duration(&mut self, depth: u8) -> String {
        if depth == 0 {
            return self.dice.pick(&["days(1)", "hours(36)", "minutes(-5)", "seconds(90)", "days(400)"]).to_string();
        }
        let d = depth - 1;
        match self.dice.roll(4) {
            0 => format!("({}) - ({})", self.value(DataType::Timestamp, d), self.value(DataType::Timestamp, d)),
            1 => format!("({}) + ({})", self.duration(d), self.duration(d)),
            2 => format!("days({})", self.value(DataType::Integer, d)),
            _ => self.duration(0),
        }
    }

    /// An expression of this type.
    pub fn value(&mut self, ty: DataType, depth: u8) -> String {
        if depth > 0 {
            match self.dice.roll(8) {
                0 => {
                    let (a, b) = (self.value(ty, depth - 1), self.value(ty, depth - 1));
                    return format!("({}) ? ({a}) : ({b})", self.boolean(depth - 1));
                }
                1 => return format!("coalesce({}, {})", self.value(ty, depth - 1), self.value(ty, depth - 1)),
                _ => {}
            }
        }
        match ty {
            DataType::Boolean => self.boolean(depth),
            DataType::Integer => self.integer(depth),
            DataType::Decimal => self.decimal(depth),
            DataType::Float => self.float(depth),
            DataType::Text => self.text(depth),
            DataType::Bytes => match self.dice.roll(2) {
                0 => self.field(ty, "b\"\\x00\""),
                _ => self.dice.pick(&["b\"a\"", "b\"\\xff\""]).to_string(),
            },
            DataType::Date => self.date(depth),
            DataType::Timestamp => self.timestamp(depth),
            DataType::TextList => match self.dice.roll(3) {
                0 => self.field(ty, "[\"b\"]"),
                1 => format!("[{}, {}]", self.value(DataType::Text, 0), self.value(DataType::Text, 0)),
                _ => format!("({}).split({})", self.text(depth.saturating_sub(1)), self.dice.pick(&["\"a\"", "\"\""])),
            },
            DataType::Json => self.field(ty, "null"),
        }
    }

    fn value_of(&mut self, types: &[DataType], depth: u8) -> String {
        let ty = *self.dice.pick(types);
        self.value(ty, depth)
    }

    fn integer(&mut self, depth: u8) -> String {
        if depth == 0 {
            return match self.dice.roll(2) {
                0 => self.field(DataType::Integer, "3"),
                _ => self.dice.pick(&["0", "1", "-1", "7", "-9223372036854775808", "9223372036854775807"]).to_string(),
            };
        }
        let d = depth - 1;
        match self.dice.roll(6) {
            0 | 1 => {
                let op = *self.dice.pick(&["+", "-", "*", "/", "%"]);
                format!("({}) {op} ({})", self.integer(d), self.integer(d))
            }
            2 => format!("-({})", self.integer(d)),
            3 => format!("size({})", self.value_of(&[DataType::Text, DataType::TextList], d)),
            4 => {
                let from = [DataType::Text, DataType::Float, DataType::Decimal, DataType::Timestamp, DataType::Integer];
                let from = *self.dice.pick(&from);
                format!("int({})", self.value(from, d))
            }
            _ => self.integer(0),
        }
    }

    fn decimal(&mut self, depth: u8) -> String {
        if depth == 0 {
            return match self.dice.roll(3) {
                0 | 1 => self.field(DataType::Decimal, "decimal(\"2\")"),
                _ => self.dice.pick(&["decimal(\"1.50\")", "decimal(\"-0.001\")", "decimal(7)"]).to_string(),
            };
        }
        let d = depth - 1;
        match self.dice.roll(5) {
            0 | 1 => {
                let op = *self.dice.pick(&["+", "-", "*", "/"]);
                let left = self.decimal(d);
                let right = match self.dice.roll(3) {
                    0 => self.dice.pick(&["1.25", "-3", "0"]).to_string(),
                    1 => self.dice.pick(&["2", "-70", "size(\"ab\")"]).to_string(),
                    _ => self.decimal(d),
                };
                format!("({left}) {op} ({right})")
            }
            2 => format!("-({})", self.decimal(d)),
            3 => format!("decimal({})", self.value_of(&[DataType::Integer, DataType::Text], d)),
            _ => self.decimal(0),
        }
    }

    fn float(&mut self, depth: u8) -> String {
        if depth == 0 {
            return match self.dice.roll(2) {
                0 => self.field(DataType::Float, "0.5"),
                _ => self.dice.pick(&["0.0", "1.5", "-2.25", "1e300", "2.0"]).to_string(),
            };
        }
        let d = depth - 1;
        match self.dice.roll(4) {
            0 => {
                let op = *self.dice.pick(&["+", "-", "*", "/"]);
                format!("({}) {op} ({})", self.float(d), self.float(d))
            }
            1 => format!("-({})", self.float(d)),
            2 => format!("double({})", self.value_of(&[DataType::Integer, DataType::Decimal], d)),
            _ => self.float(0),
        }
    }

    fn text(&mut self, depth: u8) -> String {
        if depth == 0 {
            return match self.dice.roll(2) {
                0 => self.field(DataType::Text, "\"x\""),
                _ => {
                    let texts = ["\"\"", "\"a\"", "\"Ab é\"", "\"CMO\"", "\" a\"", "\"12\"", "'q\"\\n\\\\'"];
                    self.dice.pick(&texts).to_string()
                }
            };
        }
        let d = depth - 1;
        match self.dice.roll(6) {
            0 => format!("({}) + ({}) + ({})", self.text(d), self.text(0), self.text(0)),
            1 => format!("({}).{}()", self.text(d), self.dice.pick(&["trim", "lowerAscii", "upperAscii"])),
            2 => {
                use DataType::{Boolean, Bytes, Date, Decimal, Float, Integer, Text, Timestamp};
                let from = *self.dice.pick(&[Integer, Boolean, Decimal, Float, Text, Date, Timestamp, Bytes]);
                // How many zeros a computed decimal shows is not the naive reading's concern.
                let d = if from == Decimal { 0 } else { d };
                format!("string({})", self.value(from, d))
            }
            3 => format!("({}).join({})", self.value(DataType::TextList, d), self.text(0)),
            _ => self.text(0),
        }
    }

    fn date(&mut self, depth: u8) -> String {
        match self.dice.roll(if depth == 0 { 3 } else { 5 }) {
            0 | 1 => self.field(DataType::Date, "date(now)"),
            2 => "date(\"2026-11-23\")".to_owned(),
            _ => format!("date({})", self.timestamp(depth - 1)),
        }
    }

    fn timestamp(&mut self, depth: u8) -> String {
        match self.dice.roll(if depth == 0 { 4 } else { 7 }) {
            0 | 1 => self.field(DataType::Timestamp, "now"),
            2 => "timestamp(\"2026-11-22T10:00:00Z\")".to_owned(),
            3 => "now".to_owned(),
            4 => format!(
                "({}) {} ({})",
                self.timestamp(depth - 1),
                self.dice.pick(&["+", "-"]),
                self.duration(depth - 1)
            ),
            5 => format!("timestamp({})", self.date(depth - 1)),
            _ => format!("timestamp({})", self.integer(depth - 1)),
        }
    }
}

/// A row for columns of these types: often null, from small pools, so that equal values meet.
pub fn row(types: &[DataType], dice: &[u8]) -> Vec<Value> {
    let mut dice = Dice(dice);
    types.iter().map(|ty| cell(*ty, &mut dice)).collect()
}

fn cell(ty: DataType, dice: &mut Dice) -> Value {
    if dice.roll(4) == 3 {
        return Value::Null;
    }
    let text = |s: &&str| (*s).to_owned();
    match ty {
        DataType::Boolean => Value::Boolean(dice.roll(2) == 0),
        DataType::Integer => Value::Integer(*dice.pick(&[0, 1, -1, 7, 12, i64::MAX, i64::MIN])),
        DataType::Decimal => {
            Value::Decimal(text(dice.pick(&["0", "1.5", "1.50", "-2.25", "7", "0.001", "1e2", "bad", "-0.0"])))
        }
        DataType::Float => Value::Float(*dice.pick(&[0.0, -0.0, 1.5, -2.25, 1e300, f64::NAN, f64::INFINITY])),
        DataType::Text => Value::Text(text(dice.pick(&["", "a", "Ab é", "CMO", " a", "12", "2026-11-23", "q\"\n\\"]))),
        DataType::Bytes => Value::Bytes(dice.pick(&[vec![], vec![0], vec![b'a'], vec![0xff]]).clone()),
        DataType::Date => Value::Date(*dice.pick(&[0, 20_780, 20_779, -1, i32::MAX, i32::MIN])),
        DataType::Timestamp => {
            Value::Timestamp(*dice.pick(&[NOW, NOW - DAY, NOW + 1, NOW - 400 * DAY, 0, -1, i64::MAX, i64::MIN]))
        }
        DataType::TextList => {
            Value::TextList(dice.pick(&[vec![], vec!["a".to_owned()], vec!["CMO".to_owned(), String::new()]]).clone())
        }
        DataType::Json => Value::Json("{}".to_owned()),
    }
}
