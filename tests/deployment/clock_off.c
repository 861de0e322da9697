/* Preloaded: the wall clock of a process and of all that it starts is CLOCK_OFF seconds ahead.

   The other clocks are left alone. libfaketime is not used: its 0.9.10 breaks time.sleep() of Python 3.11 if it leaves
   the monotonic clock alone, and Event.wait() if it does not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t ahead(void) {
    const char *seconds = getenv("CLOCK_OFF");
    return seconds ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*original)(clockid_t, struct timespec *);
    if (!original)
        original = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = original(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

/* Deadlines by the wall clock are the kernel's again. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
    static int (*original)(sem_t *, const struct timespec *);
    if (!original)
        original = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec real = {deadline->tv_sec - ahead(), deadline->tv_nsec};
    return original(semaphore, &real);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline) {
    static int (*original)(pthread_mutex_t *, const struct timespec *);
    if (!original)
        original = dlsym(RTLD_NEXT, "pthread_mutex_timedlock");
    struct timespec real = {deadline->tv_sec - ahead(), deadline->tv_nsec};
    return original(mutex, &real);
}
