/* Restoring a context that may come from another engine; part of unicorn_arm.c and unicorn_aarch64.c.
 *
 * Upstream copies the state with its pointers: to the MPU's tables, for instance, which both engines then free. */

static void consort_restore_env(CPUARMState *env, const void *data)
{
    /* From the MPU's tables on the state is pointers, with a few registers between them. */
    enum { FROM = offsetof(CPUARMState, pmsav7), SIZE = offsetof(CPUARMState, cpu_watchpoint) - FROM };
    uint8_t own[SIZE];

    memcpy(own, (uint8_t *)env + FROM, SIZE);
    memcpy(env, data, FROM + SIZE);
    {
        uint32_t rnr[M_REG_NUM_BANKS], mair0[M_REG_NUM_BANKS], mair1[M_REG_NUM_BANKS];
        uint32_t sau_rnr = env->sau.rnr, sau_ctrl = env->sau.ctrl;

        memcpy(rnr, env->pmsav7.rnr, sizeof(rnr));
        memcpy(mair0, env->pmsav8.mair0, sizeof(mair0));
        memcpy(mair1, env->pmsav8.mair1, sizeof(mair1));
        memcpy((uint8_t *)env + FROM, own, SIZE);
        memcpy(env->pmsav7.rnr, rnr, sizeof(rnr));
        memcpy(env->pmsav8.mair0, mair0, sizeof(mair0));
        memcpy(env->pmsav8.mair1, mair1, sizeof(mair1));
        env->sau.rnr = sau_rnr;
        env->sau.ctrl = sau_ctrl;
    }
}
