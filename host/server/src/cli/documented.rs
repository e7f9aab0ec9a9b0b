//! Every command that a document shows is one: its words are commands, its flags are theirs. What it says when it is run
//! is held against the pages by the tests that run them.

use super::Cli;
use clap::{Command, CommandFactory};
use std::path::{Path, PathBuf};

/// What ends a command in a shell, or in a sentence.
const ENDS: [&str; 8] = ["|", ">", "<", "&&", "||", ";", "#", "\\"];

fn problem(command: &str, program: &Command) -> Option<String> {
    let mut words = command.split_whitespace().skip(1).take_while(|word| !ENDS.contains(word)).peekable();
    let mut of = program;
    while let Some(word) = words.peek().copied().filter(|_| of.has_subcommands()) {
        if word.starts_with('-') {
            break;
        }
        let Some(found) = of.find_subcommand(word.trim_end_matches([',', '.', ')'])) else {
            return Some(format!("`{command}`: `{}` has no `{word}`", of.get_name()));
        };
        words.next();
        of = found;
    }
    let flags = words.map(|word| word.trim_matches(['[', ']', ',', '.', ')', '`']));
    for flag in flags.filter_map(|word| word.strip_prefix("--")).filter(|flag| !flag.is_empty()) {
        let name = flag.split('=').next().unwrap_or_default();
        let is_known = of.get_arguments().any(|argument| argument.get_long() == Some(name));
        if !is_known && !["help", "version"].contains(&name) {
            return Some(format!("`{command}`: no flag `--{name}`"));
        }
    }
    None
}

/// Commands in blocks for a shell, and between back-ticks in sentences.
fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block = None;
    for line in document.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            block = block.is_none().then(|| kind.trim().to_owned());
            continue;
        }
        match block.as_deref() {
            Some("sh" | "bash" | "console") => {
                let line = line.trim_start().trim_start_matches("$ ");
                let line = line.strip_prefix("cargo run -- ").map_or(line.to_owned(), |rest| format!("attiva {rest}"));
                commands.extend(line.starts_with("attiva ").then_some(line));
            }
            Some(_) => {}
            None => {
                let spans = line.split('`').skip(1).step_by(2);
                commands.extend(spans.filter(|span| span.starts_with("attiva ")).map(str::to_owned));
            }
        }
    }
    commands
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let listed = std::fs::read_dir(root.join("docs")).unwrap();
    let pages = listed.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "md"));
    pages.chain(["README.md", "CONTRIBUTING.md", "sdk/connector/README.md"].map(|name| root.join(name))).collect()
}

fn program() -> Command {
    let mut program = Cli::command();
    program.build();
    program
}

#[test]
fn every_command_in_the_documents_is_one() {
    let program = program();
    let mut all = 0;
    let mut problems = Vec::new();
    for path in documents() {
        let commands = commands(&std::fs::read_to_string(&path).unwrap());
        all += commands.len();
        let wrong = commands.iter().filter_map(|command| problem(command, &program));
        problems.extend(wrong.map(|problem| format!("{}: {problem}", path.display())));
    }
    assert!(all > 200, "only {all} commands were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_command_that_is_none_is_found() {
    let program = program();
    let wrong = |command: &str| problem(command, &program);
    assert_eq!(wrong("attiva connection list --limit 3 --output json | jq"), None);
    assert!(wrong("attiva connection invent").unwrap().contains("no `invent`"));
    assert!(wrong("attiva connection list --fast").unwrap().contains("--fast"));
    let page = "Run `attiva a b`.\n```sh\nattiva c\ncargo run -- d\nother\n```\n```console\n$ attiva e\nattiva f\n```\n```json\nattiva g\n```";
    assert_eq!(commands(page), ["attiva a b", "attiva c", "attiva d", "attiva e", "attiva f"]);
}
