"""How what ships was made. Run from the root of the source tree; nothing of the product imports a recipe.

| `python -m ...` | makes |
|---|---|
| `recipes.prepare_corpus` | tracks of every clip of `recipes/corpus.yaml` and `recipes/study.yaml` |
| `recipes.calibrate_motion` | trained weights of MODA with their true amplitude, and the movement of heads |
| `recipes.encoder.speech_prompts` | text for speech synthesisers to read |
| `recipes.encoder.lip_subspace` | what of Whisper's rows tells lips |
| `recipes.encoder.distil` | the compact speech encoder, from Whisper and much speech |
| `recipes.sync.train` | the judge of lip-sync |
| `recipes.offset.fit` | the judge of the sound's offset, and the lags of the clips that it learnt from |
| `recipes.average_face` | the average face on which head poses are fitted |
| `recipes.detail_gain` | a network that repairs, with a little more of the detail |
| `recipes.publish` | the files in `stages/builtin`: weights, and the packages of the digital actors |
| `recipes.errors_page` | docs/errors.md, from the sources that raise errors |
| `recipes.inspection.calibrate` | a subject's own limits of the inspection, `inspection.json` |

The networks themselves are trained by `farm train`; docs/training.md has the order of it all.
"""
