//! flatstream-rs, the Rust library whose format this library reads and writes.
//!
//!   write  buffered       StreamWriter::write_finished into a BufWriter of 256 KiB
//!          buffered-xxh3  the same with its XxHash64
//!          crc32          the same with its Crc32
//!          direct         no BufWriter: the length, then the message, each a write of its own
//!   read   buffered, buffered-xxh3, crc32  StreamReader::process_all from a BufReader of 256 KiB
//!
//! The message is built once and only its first 8 bytes change, so what is timed is framing and
//! writing, not building. System calls are the process's own count (/proc/self/io).
use std::arch::asm;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::process::ExitCode;
use std::time::Instant;

use flatbuffers::FlatBufferBuilder;
use flatstream::checksum::Checksum;
use flatstream::{
    ChecksumDeframer, ChecksumFramer, Crc32, DefaultDeframer, DefaultFramer, Deframer, Framer,
    NoChecksum, StreamReader, StreamWriter, XxHash64,
};

const BUFFER_BYTES: usize = 256 * 1024;
const LENGTH_BYTES: usize = 4;

type Done<T> = Result<T, Box<dyn Error>>;

struct Job {
    mode: String,
    path: String,
    messages: u64,
    size: usize,
}

// --- what is measured --------------------------------------------------------------------------

/// struct rusage of 64-bit Linux: two times of seconds and microseconds, and 14 counts.
#[repr(C)]
struct Usage {
    user: [i64; 2],
    system: [i64; 2],
    counts: [i64; 14],
}

extern "C" {
    fn getrusage(who: i32, usage: *mut Usage) -> i32;
}

/// Seconds that the whole process has used, user and system.
fn cpu_now() -> f64 {
    let mut usage = Usage {
        user: [0; 2],
        system: [0; 2],
        counts: [0; 14],
    };
    // SAFETY: 0 is RUSAGE_SELF; `usage` is laid out as the kernel fills it.
    unsafe { getrusage(0, &mut usage) };
    (usage.user[0] + usage.system[0]) as f64 + (usage.user[1] + usage.system[1]) as f64 / 1e6
}

/// Reads and writes that this process has made; 0 where the kernel keeps no such count.
fn system_calls_now() -> u64 {
    let mut text = [0u8; 512];
    let length = File::open("/proc/self/io")
        .and_then(|mut file| file.read(&mut text))
        .unwrap_or(0);
    String::from_utf8_lossy(&text[..length])
        .lines()
        .filter_map(|line| {
            line.strip_prefix("syscr: ")
                .or(line.strip_prefix("syscw: "))
        })
        .filter_map(|count| count.parse::<u64>().ok())
        .sum()
}

/// Keeps a payload's address from being optimised away.
#[inline(always)]
fn keep(payload: &[u8]) {
    // SAFETY: a comment, no instruction.
    unsafe { asm!("/* {0} */", in(reg) payload.as_ptr(), options(nostack, preserves_flags)) };
}

struct Watch {
    calls: u64,
    wall: Instant,
    cpu: f64,
}

impl Watch {
    fn start() -> Self {
        Watch {
            calls: system_calls_now(),
            wall: Instant::now(),
            cpu: cpu_now(),
        }
    }

    fn report(&self, bytes: u64, messages: u64) {
        let (wall, cpu) = (self.wall.elapsed().as_secs_f64(), cpu_now() - self.cpu);
        // Less the one that looked at the count at the start.
        let calls = system_calls_now().saturating_sub(self.calls + 1);
        println!("{bytes} {messages} {wall:.9} {cpu:.6} {calls}");
    }
}

// --- writing -----------------------------------------------------------------------------------

/// A finished message of exactly `size` bytes: a root that is a vector of bytes.
fn message_of(size: usize) -> Done<FlatBufferBuilder<'static>> {
    if size < 8 || size % 4 != 0 {
        return Err("a message is a multiple of 4 bytes, and at least 8".into());
    }
    let bytes: Vec<u8> = (0..size - 8)
        .map(|i| (i.wrapping_mul(131) + 7) as u8)
        .collect();
    let mut builder = FlatBufferBuilder::new();
    let vector = builder.create_vector(&bytes);
    builder.finish_minimal(vector);
    assert_eq!(builder.finished_data().len(), size);
    Ok(builder)
}

fn write_messages<W: Write, F: Framer>(job: &Job, sink: W, framer: F, header: usize) -> Done<()> {
    let mut builder = message_of(job.size)?;
    let mut writer = StreamWriter::new(sink, framer);
    let watch = Watch::start();

    for i in 0..job.messages {
        let (buffer, start) = builder.mut_finished_buffer();
        buffer[start..start + 8].copy_from_slice(&i.to_le_bytes());
        writer.write_finished(&mut builder)?;
    }
    writer.flush()?;
    drop(writer);
    watch.report(job.messages * (header + job.size) as u64, job.messages);
    Ok(())
}

fn write_buffered<F: Framer>(job: &Job, framer: F, checksum_bytes: usize) -> Done<()> {
    let file = File::create(&job.path)?;
    let sink = BufWriter::with_capacity(BUFFER_BYTES, file);
    write_messages(job, sink, framer, LENGTH_BYTES + checksum_bytes)
}

// --- reading -----------------------------------------------------------------------------------

fn read_messages<D: Deframer>(job: &Job, deframer: D, checksum_bytes: usize) -> Done<()> {
    let file = BufReader::with_capacity(BUFFER_BYTES, File::open(&job.path)?);
    let mut reader = StreamReader::new(file, deframer);
    let (mut bytes, mut messages) = (0, 0);
    let watch = Watch::start();

    reader.process_all(|payload| {
        keep(payload);
        bytes += (LENGTH_BYTES + checksum_bytes + payload.len()) as u64;
        messages += 1;
        Ok(())
    })?;
    drop(reader);
    if messages != job.messages {
        return Err(format!("{messages} messages instead of {}", job.messages).into());
    }
    watch.report(bytes, messages);
    Ok(())
}

// --- the modes ---------------------------------------------------------------------------------

/// None: a mode that is not known.
fn run(way: &str, job: &Job) -> Option<Done<()>> {
    let (xxh3, crc32) = (XxHash64::new(), Crc32::new());

    Some(match (way, job.mode.as_str()) {
        ("write", "buffered") => write_buffered(job, DefaultFramer, NoChecksum::SIZE),
        ("write", "buffered-xxh3") => {
            write_buffered(job, ChecksumFramer::new(xxh3), XxHash64::SIZE)
        }
        ("write", "crc32") => write_buffered(job, ChecksumFramer::new(crc32), Crc32::SIZE),
        ("write", "direct") => File::create(&job.path)
            .map_err(Into::into)
            .and_then(|file| write_messages(job, file, DefaultFramer, LENGTH_BYTES)),
        ("read", "buffered") => read_messages(job, DefaultDeframer::new(), NoChecksum::SIZE),
        ("read", "buffered-xxh3") => {
            read_messages(job, ChecksumDeframer::new(xxh3), XxHash64::SIZE)
        }
        ("read", "crc32") => read_messages(job, ChecksumDeframer::new(crc32), Crc32::SIZE),
        _ => return None,
    })
}

fn parse_job(arguments: &[String]) -> Option<(&str, Job)> {
    let [_, way, mode, path, messages, size] = arguments else {
        return None;
    };
    let (messages, size) = (messages.parse().ok()?, size.parse().ok()?);
    Some((
        way,
        Job {
            mode: mode.clone(),
            path: path.clone(),
            messages,
            size,
        },
    ))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let Some((way, job)) = parse_job(&arguments) else {
        eprintln!("usage: contestant write|read MODE PATH N SIZE");
        return ExitCode::from(2);
    };

    match run(way, &job) {
        None => ExitCode::from(2),
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(problem)) => {
            eprintln!("{}: {problem}", job.path);
            ExitCode::FAILURE
        }
    }
}
