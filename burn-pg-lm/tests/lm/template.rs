//! Chat templates.

use burn_pg_lm::{ChatTemplate, Message, template::TemplateError};
use serde_json::json;

use crate::fixture::{self, Copy};

fn template(source: &str) -> ChatTemplate {
    let special = [("bos_token", "<s>"), ("eos_token", "</s>")];
    ChatTemplate::new(source, special.map(|(key, token)| (key.into(), token.into()))).unwrap()
}

fn messages() -> [Message; 3] {
    [Message::new("system", " Be kind. "), Message::new("user", "Hi <b> & \"ä\""), Message::new("assistant", "Hello")]
}

fn rendered(source: &str) -> String {
    template(source).render(&messages(), true).unwrap()
}

fn refused(source: &str) -> TemplateError {
    template(source).render(&messages(), true).unwrap_err()
}

#[test]
fn the_fixture_has_a_template() {
    let template = ChatTemplate::load(&fixture::folder()).unwrap().unwrap();
    let text = template.render(&[Message::new("user", "Hi")], true).unwrap();
    assert_eq!(text, "<|start|>user\nHi<|end|>\n<|start|>assistant\n");
    assert_eq!(template.render(&[], false).unwrap(), "");
}

/// The expected texts are those of jinja2 3.1.6 with the options of `transformers` 5.24.
#[test]
fn templates_are_rendered_as_jinja_does() {
    for (source, expected) in [
        ("{{ bos_token }}{{ messages[0].content.strip() }}{{ eos_token }}\n", "<s>Be kind.</s>"),
        ("{% if true %}\n  a\n  {% endif %}\nb\n\n", "  a\nb\n"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("{{ messages[1] | tojson }}", r#"{"role": "user", "content": "Hi <b> & \"ä\""}"#),
        (
            "{{ {'b': [1, 2.5, none], 'a': {}} | tojson(indent=2) }}",
            "{\n  \"b\": [\n    1,\n    2.5,\n    null\n  ],\n  \"a\": {}\n}",
        ),
        ("{{ add_generation_prompt }} {{ tools }} {{ nothing }}", "True None "),
        ("{% if tools is not none %}a{% elif documents %}b{% elif strftime is defined %}c{% else %}d{% endif %}", "d"),
        (
            "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}\
             {{ loop.index0 }}{{ m['role'][0] | upper }}{% endfor %}",
            "0S1U",
        ),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages if m.role.startswith('u') or m.role.endswith('t') %}\
             {% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "2",
        ),
        (
            "{% macro turn(m) %}[{{ m.role }}]{% endmacro %}{{ turn(messages[0]) }}{{ turn(messages[-1]) }}",
            "[system][assistant]",
        ),
        (
            "{{ 'a,b'.split(',')[1] }}{{ 'x'.upper() }}{{ messages[1:] | length }}\
             {{ messages | map(attribute='role') | join('-') }}",
            "bX2system-user-assistant",
        ),
        (
            "{{ 'a' ~ (1 + 2) }}{{ 7 // 2 }}{{ 'user' in ['user'] }}\
             {{ messages[0] is mapping }}{{ messages[0].content is string }}",
            "a33TrueTrueTrue",
        ),
        (
            "{{ messages[0].get('name', 'none') }}{% for k, v in messages[2].items() %}{{ k }}={{ v }};{% endfor %}",
            "nonerole=assistant;content=Hello;",
        ),
        ("{{- '  a' }}   {%- if false -%} b {%- endif -%}   c", "  ac"),
        ("{# a comment #}\n{{ messages[1].content | replace('Hi', 'Ho') | trim }}", "Ho <b> & \"ä\""),
        (
            "{{ 'prefixed'.removeprefix('pre') }}{{ 'prefixed'.removesuffix('ed') }}{{ 'a'.removeprefix('b') }}",
            "fixedprefixa",
        ),
        (
            "{% for m in messages %}{% if loop.previtem is defined %}{{ loop.previtem.role }}{% endif %}{% endfor %}",
            "systemuser",
        ),
        (
            "{% for m in messages[1:] %}\n  {%- generation -%} \n{{ m.role }}\n{%endgeneration%}\n{% endfor %}",
            "user\nassistant\n",
        ),
    ] {
        assert_eq!(rendered(source), expected, "{source}");
    }
}

/// `transformers` gives templates the date of the day.
#[test]
fn there_is_no_clock() {
    let source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024{% endif %}";
    assert_eq!(rendered(source), "26 Jul 2024");
}

#[test]
fn a_template_can_refuse() {
    let error =
        refused("{% if messages[0].role != 'user' %}{{ raise_exception('Start with ' + 'the user!') }}{% endif %}");
    assert!(matches!(&error, TemplateError::Refused { message } if message == "Start with the user!"), "{error}");
    assert_eq!(error.to_string(), "the chat template refuses the conversation: Start with the user!");
    let error = refused("{% macro check() %}{{ raise_exception('no') }}{% endmacro %}{{ check() }}");
    assert!(matches!(&error, TemplateError::Refused { .. }), "{error}");
}

#[test]
fn templates_that_do_not_end_are_stopped() {
    for source in [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(text='text') %}{% for i in range(1000) %}\
         {% set ns.text = ns.text + ns.text %}{% endfor %}",
        "{{ 'x' * 1000000000000 }}",
        "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
        "{% for i in range(100000) %}{{ ('x' * 1000) | tojson }}{% endfor %}",
    ] {
        let error = refused(source);
        assert!(matches!(error, TemplateError::OutOfFuel { .. }), "{source}: {error}");
    }
    let error = refused("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}");
    assert!(matches!(error, TemplateError::Render { .. } | TemplateError::OutOfFuel { .. }), "{error}");
}

#[test]
fn long_conversations_fit() {
    let template = ChatTemplate::load(&fixture::folder()).unwrap().unwrap();
    let many: Vec<_> = (0..10_000).map(|_| Message::new("user", "x".repeat(1000))).collect();
    assert!(template.render(&many, true).unwrap().len() > 10_000_000);
}

#[test]
fn mistakes_are_shown_with_their_line() {
    let error = ChatTemplate::new("a\n{% if %}", []).unwrap_err();
    assert!(matches!(&error, TemplateError::Syntax { line: 2, .. }), "{error}");
    for (source, expected) in [
        ("\n{{ messages[0].name.first }}", "line 2 of the chat template fails: "),
        ("{{ strftime_now('%Y') }}", "line 1 of the chat template fails: "),
        ("{{ 'a'.encode() }}", "line 1 of the chat template fails: "),
        ("{{ nothing | tojson }}", "line 1 of the chat template fails: "),
    ] {
        let error = refused(source);
        assert!(matches!(error, TemplateError::Render { .. }) && error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn a_folder_has_one_template_several_or_none() {
    let copy = Copy::new();
    let render = || ChatTemplate::load(copy.path()).map(|template| template.map(|it| it.render(&[], false).unwrap()));
    let set = |value| copy.set("tokenizer_config.json", "/chat_template", value);

    set(json!(null));
    assert_eq!(render().unwrap(), None);
    set(json!("one {{ eos_token }}"));
    assert_eq!(render().unwrap().unwrap(), "one <|end|>");
    let (tools, default) = (json!({"name": "tool_use", "template": "t"}), json!({"name": "default", "template": "d"}));
    for (named, text) in [(json!([tools, default]), "d"), (json!([tools]), "t")] {
        set(named);
        assert_eq!(render().unwrap().unwrap(), text);
    }
    set(json!([tools, {"name": "rag", "template": "r"}]));
    assert_eq!(
        render().unwrap_err().to_string(),
        "none of the chat templates tool_use, rag is named `default`: keep the one to use"
    );
    copy.write("chat_template.jinja", "file\n");
    assert_eq!(render().unwrap().unwrap(), "file");
    copy.write("chat_template.jinja", b"\xFF");
    assert!(matches!(render(), Err(TemplateError::File(_))));
}
