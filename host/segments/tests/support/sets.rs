//! Operations on audiences, with answers known by hand.

use super::world::World;

/// Of four persons: the first two are in `a`, the second and the third in `b`; `new` has no result yet.
pub fn world() -> World {
    let mut world = World::default();
    for _ in 0..4 {
        world.add("person", &[], &[]);
    }
    world.members.insert("a".into(), vec![0, 1]);
    world.members.insert("b".into(), vec![1, 2]);
    world
}

pub const CASES: &[(&str, &[usize])] = &[
    ("inAudience(\"a\") || inAudience(\"b\")", &[0, 1, 2]),
    ("inAudience(\"a\") && inAudience(\"b\")", &[1]),
    ("inAudience(\"a\") && !inAudience(\"b\")", &[0]),
    ("!inAudience(\"a\")", &[2, 3]),
    ("(inAudience(\"a\") || inAudience(\"b\")) && !(inAudience(\"a\") && inAudience(\"b\"))", &[0, 2]),
    ("inAudience(\"b\") && !inAudience(\"a\")", &[2]),
    ("!inAudience(\"a\") && !inAudience(\"b\")", &[3]),
    // What has no result is unknown: it takes nobody in, and the other side decides where it can.
    ("inAudience(\"new\")", &[]),
    ("!inAudience(\"new\")", &[]),
    ("inAudience(\"a\") || inAudience(\"new\")", &[0, 1]),
    ("inAudience(\"a\") && !inAudience(\"new\")", &[]),
    ("!(inAudience(\"a\") && inAudience(\"new\"))", &[2, 3]),
];
