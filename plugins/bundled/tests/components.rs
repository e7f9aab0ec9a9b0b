//! What the build script leaves is what the host embeds. The components' worlds are checked by the build script.

use attiva_plugins::bundled;

#[test]
fn every_component_is_one_and_keeps_its_names() {
    assert!(!bundled().is_empty());
    for plugin in bundled() {
        // Magic, version 13, layer 1: a component and not a module.
        assert_eq!(plugin.component.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]), "{}", plugin.name);
        // Without names a trap's trace is numbers.
        let name = plugin.name.replace('-', "_");
        let named = plugin.component.windows(name.len()).filter(|w| *w == name.as_bytes()).count();
        assert!(named > 20, "{} has no names", plugin.name);
    }
}
