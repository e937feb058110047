// What tenzo::core carries: functions that are no templates and whose code is large, marked here, and the usual
// instantiations of templates, which the headers named extern.hpp declare.
//
//     TENZO_COMPILED Tokenizer make_tokenizer(const TokenizerLists& lists);
//
//     #if TENZO_DEFINES(text)
//     TENZO_COMPILED Tokenizer make_tokenizer(const TokenizerLists& lists) { … }
//     #endif
//
// Header-only, such a function is inline and defined everywhere. With the library, which says TENZO_EXTERN_TEMPLATES,
// it is defined in one file of src/, the one that says TENZO_DEFINES_text, and what it calls is compiled only there.
#pragma once

#if defined(TENZO_EXTERN_TEMPLATES)
#define TENZO_COMPILED
#define TENZO_DEFINES(subject) TENZO_DEFINES_##subject
#else
#define TENZO_COMPILED inline
#define TENZO_DEFINES(subject) 1
#endif
