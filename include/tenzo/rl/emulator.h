/* An environment from outside, such as an emulator of video games: what a shared library of the user's own offers.
 * Plain C; a program in any language that can make C functions will do.
 *
 *   const tenzo_emulator* tenzo_emulator_v1(void);     the one function that the library exports
 */
#ifndef TENZO_RL_EMULATOR_H
#define TENZO_RL_EMULATOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tenzo_emulator {
  int32_t version;          /* 1 */
  int32_t actions;          /* 0 ... actions-1 */
  int64_t observation_size; /* numbers of an observation */
  const char* name;

  /* A new environment, or NULL where there can not be one. Several are used at once, from several threads, but never
   * one from two. */
  void* (*create)(void);
  void (*destroy)(void* self);

  /* Begins an episode and writes its first observation. The same seed is to give the same course. */
  void (*reset)(void* self, uint64_t seed, float* observation);

  /* One step. Writes the next observation, the final one included, the reward, and how the episode has ended:
   * terminated by its rules, or truncated by a limit of time alone; 0 where it goes on. Returns 0, or another number
   * where it has failed. */
  int32_t (*step)(void* self, int32_t action, float* observation, float* reward, int32_t* terminated,
                  int32_t* truncated);
} tenzo_emulator;

typedef const tenzo_emulator* (*tenzo_emulator_entry)(void);

#ifdef __cplusplus
}
#endif

#endif
