export { RateLimiterPrisma, RateLimiterRes } from 'rate-limiter-flexible';
