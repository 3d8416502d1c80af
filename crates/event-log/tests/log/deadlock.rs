use crate::scene::*;
use holdfast_event_log::renew;
use std::sync::atomic::*;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renew_vs_append() {
    let log = log(16).await;
    let heads = log.own(OLD).await;
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let mut tasks = vec![];
    for half in 0..2usize {
        let mut mine: Vec<_> =
            heads.iter().copied().filter(|h| usize::from(h.log_partition) % 2 == half).collect();
        mine.reverse();
        let mut c = log.connect().await;
        let stop = stop.clone();
        tasks.push(tokio::spawn(async move {
            let mut n = half as u128 * 1_000_000_000;
            let mut errs = 0;
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                let k = 1 + (n % mine.len() as u128) as usize;
                let ids: Vec<_> = (0..k)
                    .map(|_| {
                        n += 1;
                        vec![command(n)]
                    })
                    .collect();
                mine.rotate_left(3);
                let a = append(mine.iter().take(k).copied().zip(ids.iter().map(|v| v.as_slice())));
                sent += 1;
                match a.send(&mut c).await {
                    Ok(r) => {
                        for h in r.committed {
                            *mine.iter_mut().find(|m| m.log_partition == h.log_partition).unwrap() = h;
                        }
                        assert!(r.fenced.is_empty());
                    }
                    Err(e) => {
                        errs += 1;
                        println!("append {e:?}");
                    }
                }
            }
            (sent, errs)
        }));
    }
    let t = std::time::Instant::now();
    let mut renews = 0;
    let mut slow = 0;
    while t.elapsed().as_secs() < 10 {
        let s = std::time::Instant::now();
        if let Err(e) = renew(&mut *log.pool.acquire().await.unwrap(), &heads, OLD.owner).await {
            println!("renew {e}");
        }
        renews += 1;
        if s.elapsed().as_millis() > 500 {
            slow += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    println!("renews {renews} slow {slow}");
    for t in tasks {
        println!("{:?}", t.await.unwrap());
    }
}
