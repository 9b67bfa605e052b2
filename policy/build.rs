//! Compiles `seccomp/*.json` for the target into Rust constants.
//!
//! A missing or malformed file, an unknown system call, a rule without its reason and an architecture without a policy
//! are build errors: a program that was built has its filters.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde_json::Value;

/// Stands in a compiled filter where the process's own id belongs; put in when the filter is applied.
const OWN_PID: u32 = 0x5049_4421;

const FILES: [&str; 4] = ["broker", "parser", "audit", "never"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=seccomp");
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    let target = Target::new(&arch, &env::var("CARGO_CFG_TARGET_ENV")?)?;
    let mut code = format!("pub(crate) const OWN_PID: u32 = {OWN_PID};\n");
    for name in FILES {
        let path = Path::new("seccomp").join(name).with_extension("json");
        let program = fs::read_to_string(&path)
            .map_err(Box::from)
            .and_then(|text| target.compile(name, &text))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        code += &constant(name, &program);
        // So that a rule that another target cannot have is seen on whatever machine this is built.
        for (arch, env) in [("x86_64", "musl"), ("aarch64", "gnu"), ("aarch64", "musl")] {
            let other = Target::new(arch, env)?;
            let checked = other.compile(name, &fs::read_to_string(&path)?);
            checked.map_err(|e| format!("{} for {arch}: {e}", path.display()))?;
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("filters.rs"), code)?;
    Ok(())
}

struct Target {
    arch: String,
    env: String,
    seccomp: TargetArch,
}

impl Target {
    fn new(arch: &str, env: &str) -> Result<Target, String> {
        let seccomp = match arch {
            "x86_64" => TargetArch::x86_64,
            "aarch64" => TargetArch::aarch64,
            other => return Err(format!("there is no system-call policy for {other}")),
        };
        let (arch, env) = (arch.to_owned(), env.to_owned());
        Ok(Target { arch, env, seccomp })
    }

    fn compile(&self, name: &str, text: &str) -> Result<BpfProgram, Box<dyn Error>> {
        let mut policy: Value = serde_json::from_str(text)?;
        reason(&mut policy)?;
        let rules = policy["filter"].as_array_mut().ok_or("no list `filter`")?;
        let mut kept = Vec::new();
        for mut rule in rules.drain(..) {
            let named = format!("{rule}");
            if self.wants(&mut rule).map_err(|e| format!("{e}: {named}"))? {
                kept.push(rule);
            }
        }
        exclusive(&kept)?;
        *rules = kept;
        let json = serde_json::json!({ name: policy }).to_string();
        let mut compiled = compile_from_json(json.as_bytes(), self.seccomp)?;
        Ok(compiled.remove(name).ok_or("compiled to nothing")?)
    }

    /// Whether a rule is for this target. Takes out what seccompiler does not know and puts the place for the pid in.
    fn wants(&self, rule: &mut Value) -> Result<bool, Box<dyn Error>> {
        reason(rule)?;
        for condition in rule["args"].as_array_mut().into_iter().flatten() {
            reason(condition)?;
            if condition["val"] == "own pid" {
                condition["val"] = OWN_PID.into();
            } else if condition["val"] == OWN_PID {
                return Err("this number is reserved".into());
            }
        }
        let rule = rule.as_object_mut().ok_or("not an object")?;
        if rule.get("args").is_some_and(Value::is_null) {
            rule.remove("args");
        }
        let arch = rule.remove("arch").is_none_or(|a| a == self.arch.as_str());
        let env = rule.remove("env").is_none_or(|e| e == self.env.as_str());
        Ok(arch && env)
    }
}

/// Takes the comment out and refuses to go on without one.
fn reason(of: &mut Value) -> Result<(), Box<dyn Error>> {
    let comment = of.as_object_mut().and_then(|o| o.remove("comment"));
    match comment.as_ref().and_then(Value::as_str) {
        Some(text) if !text.trim().is_empty() => Ok(()),
        _ => Err("no comment that says why".into()),
    }
}

/// seccompiler silently lets a rule with conditions replace one without for the same call.
fn exclusive(rules: &[Value]) -> Result<(), Box<dyn Error>> {
    for rule in rules.iter().filter(|r| r.get("args").is_none()) {
        if rules.iter().filter(|r| r["syscall"] == rule["syscall"]).count() > 1 {
            return Err(format!("more than one rule beside an unconditional one: {rule}").into());
        }
    }
    Ok(())
}

fn constant(name: &str, program: &BpfProgram) -> String {
    let mut code =
        format!("pub(crate) const {}: &[(u16, u8, u8, u32)] = &[\n", name.to_uppercase());
    for i in program {
        code += &format!("    ({}, {}, {}, {}),\n", i.code, i.jt, i.jf, i.k);
    }
    code + "];\n"
}
