"""Commands that print figures. Run them from the root of the source tree; nothing of the product imports them.

| `python -m ...` | prints |
|---|---|
| `benchmarks.inference_times` | seconds from speech to video by length of the speech (Table 6) |
| `benchmarks.segment_time` | where the time of a segment goes, step by step |
| `benchmarks.form_time` | what the forms of the renderer's network cost, and how far their pictures differ |
| `benchmarks.edited_speech` | segments that an edit of a speech renders again |
| `benchmarks.takes_before_pixels` | what takes cost that nobody chose |
| `benchmarks.help_time` | seconds until `farm --help` is shown |
| `benchmarks.scheduler_throughput` | dispatch decisions a second |
| `benchmarks.journal_throughput` | events a second that a journal takes in and gives back |
| `benchmarks.api_latency` | milliseconds in which API and page list many jobs and tell of a long one |
| `benchmarks.media_reading` | what `farm plan` and `farm subject prepare` take with the code of two checkouts |
| `benchmarks.snapshot_cost` | size and time of a snapshot of many long jobs |
| `benchmarks.evaluate_motion` | motion of MODA's weights on speech that no training heard |
| `benchmarks.head_motion` | how far and how lively heads turn, whether at stressed syllables, and blinks |
| `benchmarks.evaluate_renderer` | pictures of a renderer on the ends of clips that no training saw |
| `benchmarks.compare_runs` | quality against training time of several runs |
| `benchmarks.reference_coding` | what codings of a clip's references cost and keep |
| `benchmarks.warped_quality` | how near warped references come to frames that nothing was learnt from |
| `benchmarks.one_photo` | how near a subject made from one photo comes to true frames, by how far the head has turned |
| `benchmarks.reference_changes` | how far pictures step where references change, and where the face moves |
| `benchmarks.warp_time` | milliseconds to move references of a subject to a mesh |
| `benchmarks.tracks.measure` | lag, amplitude, noise and misplacement of tracks, before and after refinement |
| `benchmarks.audio_offset` | how exactly the offset of the sound is found, and how often another's speech passes |
| `benchmarks.sync.evaluate` | how far the judge of lip-sync may be trusted |
| `benchmarks.baselines.make` | the names of the videos that it makes, for an EvaluateJob to compare with (Table 1) |

What is measured by `farm evaluate` (Tables 1 and 3 to 5), `farm simulate` and the tests is not among them.
"""
